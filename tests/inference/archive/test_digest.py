"""The digest of an archive: of what is in it, not of when or how it was packed."""

from __future__ import annotations

import subprocess
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from inference.archive.digest import content_sha256, file_sha256, matches_sha256

FILES = {
    "handler.py": "pass\n",
    "model.json": "{}\n",
    "inference/images/reading.py": "x = 1\n",
    "MAR-INF/MANIFEST.json": "{}",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "unpacked" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "unpacked"


def packed(folder: Path, mar: Path, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(mar, "w", compression) as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder))
    return mar


def test_an_archive_and_the_folder_it_unpacks_to_have_the_same_digest(folder: Path, tmp_path: Path) -> None:
    assert content_sha256(packed(folder, tmp_path / "a.mar")) == content_sha256(folder)


def test_packing_it_again_at_another_time_does_not_change_the_digest(folder: Path, tmp_path: Path) -> None:
    first = packed(folder, tmp_path / "first.mar")
    (folder / "MAR-INF" / "MANIFEST.json").write_text('{"createdOn": "later"}')
    second = packed(folder, tmp_path / "second.mar", zipfile.ZIP_STORED)
    assert content_sha256(first) == content_sha256(second)


def test_bytecode_that_python_leaves_behind_does_not_change_the_digest(folder: Path) -> None:
    before = content_sha256(folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "handler.cpython-311.pyc").write_bytes(b"bytecode")
    assert content_sha256(folder) == before


def test_a_changed_a_renamed_and_a_further_file_each_change_the_digest(folder: Path) -> None:
    seen = {content_sha256(folder)}
    (folder / "model.json").write_text('{"temperature": 2}\n')
    seen.add(content_sha256(folder))
    (folder / "model.json").rename(folder / "other.json")
    seen.add(content_sha256(folder))
    (folder / "inference" / "more.py").write_text("")
    seen.add(content_sha256(folder))
    assert len(seen) == 4


def test_a_shell_computes_the_same_digest(folder: Path) -> None:
    line = r"find * -type f ! -path 'MAR-INF/*' ! -name '*.pyc' -exec sha256sum {} + | LC_ALL=C sort | sha256sum"
    printed = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, check=True).stdout
    assert printed.split()[0] == content_sha256(folder)


def test_a_file_is_checked_the_same_by_its_path_and_by_its_content(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    assert not matches_sha256(weights, sha256(b"").hexdigest()), "it is not there"
    weights.write_bytes(b"weights")
    for file in (weights, weights.read_bytes()):
        assert file_sha256(file) == sha256(b"weights").hexdigest()
        assert matches_sha256(file, sha256(b"weights").hexdigest())
        assert not matches_sha256(file, sha256(b"Weights").hexdigest())
