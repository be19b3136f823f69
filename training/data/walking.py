"""The folders and files below a place, without hidden ones, what systems leave there, pipes and broken links."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from training.errors import WrongInput

# What network drives, archivers and desktops leave among photos: thumbnails, copies, bins. In lower case.
CLUTTER = frozenset(
    {
        "@eadir", "@tmp", "@recycle", "@recently-snapshot", "@__thumb", "@sharebin", "@sharesnap", "#recycle", "#snapshot",
        "__macosx", "network trash folder", "temporary items", "icon\r", "thumbs.db", "thumbs.db:encryptable", "ehthumbs.db",
        "ehthumbs_vista.db", "desktop.ini", "$recycle.bin", "recycler", "system volume information", "lost+found", "lost.dir",
        "picasa.ini", "__pycache__", "ipynb_checkpoints",
    }
)  # fmt: skip
# Of a Synology drive, as of 1.jpg in @eaDir; of a disk that Windows has repaired.
NUMBERED_CLUTTER = re.compile(r".*@syno(resource|eastream)|found\.\d{3}")
NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)  # what a link may lead to


def is_clutter(name: str) -> bool:
    """Whether a file or folder of this name holds no photo that a person put there: hidden, or left by a system."""
    small = name.lower()
    return small.startswith(".") or small in CLUTTER or NUMBERED_CLUTTER.fullmatch(small) is not None


@contextmanager
def opened() -> Iterator[None]:
    """An error of the file system becomes a WrongInput that names the path: nothing is skipped in silence."""
    try:
        yield
    except PermissionError as error:
        raise WrongInput(
            f"{error.filename} may not be opened. Give yourself the right to read it, or remove it."
        ) from error
    except OSError as error:
        raise WrongInput(
            f"{error.filename} cannot be looked at ({error.strerror}). Check the path and the disk."
        ) from error


def folders_in(root: Path) -> list[str]:
    """The names of the folders directly in it, sorted."""
    return sorted(folder.name for folder in root.iterdir() if folder.is_dir() and not is_clutter(folder.name))


def files_in(root: Path) -> list[str]:
    """The names of the files directly in it, sorted."""
    return sorted(file.name for file in root.iterdir() if not is_clutter(file.name) and file.is_file())


def files_under(folder: Path) -> list[str]:
    """The paths of all files at any depth, sorted; none if there is no such folder.

    Links to folders are followed, but each folder is read once, so that a link to one above ends there, and the
    path without links is preferred. Strings and `scandir`: over 50,000 files, pathlib's own ways take seconds.
    """
    found: list[str] = []
    folders, links = [str(folder)] if folder.is_dir() else [], list[str]()
    seen: set[tuple[int, int]] = set()
    while folders or links:
        if not folders:
            links.sort()
        path = folders.pop() if folders else links.pop(0)
        there = os.stat(path)  # noqa: PTH116
        if (there.st_dev, there.st_ino) not in seen:
            seen.add((there.st_dev, there.st_ino))
            _look_into(path, found, folders, links)
    return sorted(found)


def _look_into(folder: str, found: list[str], folders: list[str], links: list[str]) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_clutter(entry.name):
                continue
            if entry.is_symlink():
                mode = _led_to(entry.path)
                if S_ISDIR(mode):
                    links.append(entry.path)
                elif S_ISREG(mode):
                    found.append(entry.path)
            elif entry.is_dir():
                folders.append(entry.path)
            elif entry.is_file():
                found.append(entry.path)


def _led_to(link: str) -> int:
    """The mode of a link's target; 0 if there is none, or if it is the link itself."""
    try:
        return os.stat(link).st_mode  # noqa: PTH116
    except OSError as error:
        if error.errno in NOWHERE:
            return 0
        raise
