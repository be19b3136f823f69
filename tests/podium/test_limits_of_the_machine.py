"""A full disk, a read-only one, a missing permission, too many open files: a sentence, and nothing half-written."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from podium.errors import ConsoleError, about_the_machine
from tests.training.conftest import write_photos
from tests.training.evaluation.runs import write_run
from training.files import write_atomically

LIMIT_BYTES = 4096  # of one file: to a program it looks like a disk without room


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full. Make room there"),
        (errno.EDQUOT, "your share of the disk is used up"),
        (errno.EROFS, "the disk is read-only. Name a folder on another disk."),
        (errno.EACCES, "you have no permission. Change its permissions"),
        (errno.EMFILE, "this shell allows no more open files. Raise its limit, as ulimit -n 4096"),
        (errno.ENAMETOOLONG, "the name is too long for this disk"),
    ],
)
def test_what_the_machine_refuses_is_a_sentence(number: int, words: str) -> None:
    with pytest.raises(ConsoleError) as refused, about_the_machine():
        raise OSError(number, os.strerror(number), "/photos/out.csv")
    assert str(refused.value).startswith(f"/photos/out.csv: {words}")
    with pytest.raises(ConsoleError) as refused, about_the_machine():
        raise OSError(number, os.strerror(number))
    assert str(refused.value).lower().startswith(words.lower())


def test_of_a_folder_that_cannot_be_copied_the_first_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "a").symlink_to("nowhere")
    with pytest.raises(ConsoleError, match=r"to/a cannot be written"), about_the_machine():
        shutil.copytree(tmp_path / "from", tmp_path / "to")


def test_an_error_of_ours_stays_an_error_of_ours() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"), about_the_machine():
        raise OSError(errno.EBADF, "Bad file descriptor")


def test_a_draft_that_cannot_be_written_is_named_by_its_file(tmp_path: Path) -> None:
    path = tmp_path / "no folder" / "report.json"
    with pytest.raises(FileNotFoundError) as refused:
        write_atomically("text", path)
    assert refused.value.filename == str(path)


@pytest.fixture
def limited(tmp_path: Path) -> Callable[..., str]:
    """A command that may write no large file: the last line of stderr; it must have failed with a sentence."""

    def run(*words: str | Path, limit_bytes: int = LIMIT_BYTES) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "podium", *map(str, words)],
            env={**os.environ, "PODIUM_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes)),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr.splitlines()[-1]

    return run


@pytest.mark.torch
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_an_archive_is_packaged_whole_or_not_at_all(limited: Callable[..., str], tmp_path: Path, engine: str) -> None:
    run = write_run(tmp_path / "run", write_photos(tmp_path / "photos", per_class=2))
    (tmp_path / "models").mkdir()
    assert limited("package", run, "--out", tmp_path / "models", "--engine", engine).startswith("podium: ")
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.torch
def test_predictions_and_audits_are_written_whole_or_not_at_all(limited: Callable[..., str], tmp_path: Path) -> None:
    data = write_photos(tmp_path / "photos", per_class=40)
    run = write_run(tmp_path / "run", data)
    out = tmp_path / "answers.csv"
    assert limited("predict", data, "--run", run, "--format", "csv", "--out", out).startswith(f"podium: {out}: ")
    assert not out.exists()
    folder = tmp_path / "audit"
    assert str(folder) in limited("audit", data, "--out", folder)
    assert all(file.stat().st_size < LIMIT_BYTES for file in folder.iterdir())


@pytest.mark.torch
def test_a_training_without_room_leaves_whole_files(limited: Callable[..., str], tmp_path: Path) -> None:
    data = write_photos(tmp_path / "photos")
    words = ["recipe=none", "pretrained=none", "model=test_resnet", "image_size=32", "epochs=1", "tensorboard=false"]
    words += [f"run={tmp_path / 'run'}", f"cache_dir={tmp_path / 'cache'}"]
    said = limited("train", data, *words, limit_bytes=500_000)  # photos, and no weights
    assert str(tmp_path / "run") in said
    assert not (tmp_path / "run" / "model.safetensors").exists()
    assert [file.name for file in (tmp_path / "run").rglob("*.part")] == []
