"""Digests: of one file, and of the content of a `.mar`, which is the same however and whenever it was packaged."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath

from inference.archive.packed import opened_mar


def content_sha256(folder_or_mar: Path) -> str:
    """The SHA-256, in hex, over the content of an archive: the same for a `.mar` and for the folder it unpacks to.

    Raises ModelRefused for a `.mar` that `packed` does not open.

    It is taken over the sorted lines `<SHA-256 of the file>  <path>` of all files but MAR-INF/ and bytecode, as
    `sha256sum | sort | sha256sum` makes them. TorchServe unpacks into a folder with a random name and hands the
    handler no digest of the file, and the archiver stamps the time into MAR-INF: so the `.mar` file's own digest is
    unknown to what answers, and differs between two packagings of the same model.
    """
    digests = _digests_in_folder(folder_or_mar) if folder_or_mar.is_dir() else _digests_in_mar(folder_or_mar)
    lines = sorted(f"{digest}  {path}\n" for path, digest in digests.items() if _counts(path))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def file_sha256(file: Path | bytes) -> str:
    """The SHA-256 of one file, in hex, from its path or its content."""
    if isinstance(file, bytes):
        return hashlib.sha256(file).hexdigest()
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def matches_sha256(file: Path | bytes, sha256: str) -> bool:
    """Whether the file, by its path or its content, is there and has this SHA-256: the one check of what model.json names."""
    return (isinstance(file, bytes) or file.is_file()) and file_sha256(file) == sha256


def _counts(path: PurePosixPath) -> bool:
    return path.parts[0] != "MAR-INF" and "__pycache__" not in path.parts and path.suffix != ".pyc"


def _digests_in_folder(folder: Path) -> dict[PurePosixPath, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {PurePosixPath(path.relative_to(folder).as_posix()): file_sha256(path) for path in files}


def _digests_in_mar(mar: Path) -> dict[PurePosixPath, str]:
    with opened_mar(mar) as packed:
        return {PurePosixPath(name): packed.sha256(name) for name in packed.sizes}
