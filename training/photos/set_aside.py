"""Files of the data that are no pictures: they are set aside, and listed in `unreadable.csv`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.data.tables import read_rows, write_rows

UNREADABLE_FILE = "unreadable.csv"


@dataclass(frozen=True)
class SetAside:
    """A file that is no picture, and why."""

    path: str  # relative to the data, as `spelled` writes it
    code: str
    reason: str


def write_set_aside(set_aside: Sequence[SetAside], folder: Path) -> None:
    """List the files in `folder`; if there is none, remove a list that lies there."""
    path = folder / UNREADABLE_FILE
    if set_aside:
        write_rows(path, ["path", "code", "reason"], ([one.path, one.code, one.reason] for one in set_aside))
    else:
        path.unlink(missing_ok=True)


def read_set_aside(folder: Path) -> tuple[SetAside, ...]:
    """The files that are listed in `folder`."""
    try:
        return tuple(SetAside(**row) for row in read_rows(folder / UNREADABLE_FILE))
    except FileNotFoundError:
        return ()
