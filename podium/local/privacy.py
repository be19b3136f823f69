"""The project's home is its owner's alone: the rows, the photos and the key of the embedded AWS lie in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from podium.errors import ConsoleError

OTHERS = 0o077  # group and all others: what they may not do


def root_sentence() -> str | None:
    """A warning for root; None for anybody else."""
    if os.geteuid() != 0:
        return None
    return "you are root, so the functions and the model server run as root, too: better start the stack as yourself."


def write_privately() -> None:
    """Let nobody else use what this process and its children write from now on."""
    os.umask(OTHERS)


def keep_private(home: Path) -> None:
    """Take the home and all in it from others, also what this process and its children write from now on.

    Raises ConsoleError when something in it belongs to somebody else.
    """
    write_privately()
    home.mkdir(parents=True, exist_ok=True)
    try:
        for path, mode in _open_to_others(home):
            path.chmod(mode & ~OTHERS)
    except PermissionError as error:
        raise ConsoleError(
            f"{error.filename} belongs to another user, such as root after a `sudo`. "
            f"Make it yours: sudo chown -R {os.getuid()} {home}"
        ) from error


def _open_to_others(folder: Path) -> Iterator[tuple[Path, int]]:
    """The folder, and what is in it, with the mode of each that others may use. Links are left as they are."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & OTHERS:
        yield folder, mode
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _open_to_others(Path(entry))
            elif not entry.is_symlink() and (mode := stat.S_IMODE(entry.stat().st_mode)) & OTHERS:
                yield Path(entry), mode
