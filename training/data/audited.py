"""An audit's findings in a training: groups of photos that stay together, and photos that are left out.

groups.csv -> groups -> sha256 of a photo to that of its group; issues.csv -> files without those
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from inference.harmless import harmless, text_of_cell
from training.data.records import LabelledFile, Photo
from training.data.tables import read_table
from training.errors import WrongInput, why
from training.sentences import plural

GROUPS_HEADER = ("path", "group")
_LIKE_A_BYTE = re.compile(r"(\\+)(?=x[89a-f][0-9a-f]|[\udc80-\udcff])")
_RAW_BYTE = re.compile("[\udc80-\udcff]")


def read_groups(path: Path, files: Sequence[LabelledFile]) -> dict[str, str]:
    """The group of every photo that the file names, also of photos that are no longer there.

    Raises WrongInput if it is no groups file, or if it names photos, but none of these files: then it is about
    other data.
    """
    groups: dict[str, str] = {}
    for line, row in _rows(path, GROUPS_HEADER, "groups file"):
        name, group = _name(row["path"]), row["group"]
        if groups.setdefault(name, group) != group:
            raise WrongInput(
                f"{path}, line {line}: {name} is in group {groups[name]} already. Leave it in one of them."
            )
    if groups and not any(listed_as(found.relative) in groups for found in files):
        raise _of_other_data(path, next(iter(groups)), files)
    return groups


def together(photos: Sequence[Photo], groups: Mapping[str, str]) -> dict[str, str]:
    """The sha256 of each photo in a group -> the smallest of its group.

    Two groups that have the same bytes in them are one, as files with the same bytes lie on one side anyway.
    """
    smaller: dict[str, str] = {}
    first_of: dict[str, str] = {}
    for photo in photos:
        group = groups.get(listed_as(photo.relative))
        if group is not None:
            ends = _smallest(smaller, first_of.setdefault(group, photo.sha256)), _smallest(smaller, photo.sha256)
            smaller[max(ends)] = min(ends)
    return {sha256: _smallest(smaller, sha256) for sha256 in tuple(smaller)}


def leave_out(files: Sequence[LabelledFile], path: Path) -> tuple[list[LabelledFile], str]:
    """The files that the CSV does not name, and a sentence that counts those it does, there or not.

    Raises WrongInput if it has no column path, or if it names photos, but none of these files.
    """
    named = {_name(row["path"]): None for _, row in _rows(path, ("path",), "list of photos to leave out")}
    there = {listed_as(found.relative) for found in files}
    gone = [name for name in named if name not in there]
    if named and len(gone) == len(named):
        raise _of_other_data(path, gone[0], files)
    kept = [found for found in files if listed_as(found.relative) not in named]
    out = len(files) - len(kept)
    sentence = f"exclude = {path}: {plural(out, 'photo')} {'is' if out == 1 else 'are'} left out"
    if gone:
        sentence += f"; {len(gone)} that it names {'is' if len(gone) == 1 else 'are'} not in the data, as {gone[0]}"
    return kept, sentence


def spelled(name: str) -> str:
    """A file's name as text that can be written anywhere, another one for each name: bytes that are no UTF-8, which Python
    keeps as lone surrogates, as `\\xff`, and a backslash that would be taken for the beginning of that twice.
    """
    return _LIKE_A_BYTE.sub(r"\1\1", name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def listed_as(name: str) -> str:
    """A file's name as an audit lists it; what steers a terminal in it, or hides, is made visible."""
    return harmless(spelled(name))


def _rows(path: Path, columns: Sequence[str], what: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Each line with its number; WrongInput if a column is missing, or empty in a line."""
    header = ",".join(columns)
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            reader = read_table(file)
            if not set(columns) <= set(reader.fieldnames or ()):
                raise WrongInput(
                    f"{path} is no {what}: its first line lacks {header}. Give the one that an audit wrote."
                )
            for row in reader:
                if not all(row[column] for column in columns):
                    raise WrongInput(f"{path}, line {reader.line_num}: {header} must not be empty. Mend or remove it.")
                yield reader.line_num, {name: text_of_cell(row[name]) for name in columns}
    except (OSError, csv.Error) as error:
        raise WrongInput(f"{path} cannot be read ({why(error)}). Give the {what} that an audit wrote.") from error


def _name(path: str) -> str:
    """The name in a list: an audit wrote it as it lists files, a person's `ls` wrote the very bytes."""
    name = PurePosixPath(path).as_posix()
    return listed_as(name) if _RAW_BYTE.search(name) else harmless(name)


def _smallest(smaller: dict[str, str], sha256: str) -> str:
    """The end of the chain of ever smaller ones; on the way, the chain is made shorter."""
    while (less := smaller.setdefault(sha256, sha256)) != sha256:
        smaller[sha256] = smaller[less]
        sha256 = less
    return sha256


def _of_other_data(path: Path, name: str, files: Sequence[LabelledFile]) -> WrongInput:
    like = f" Its paths should look like {listed_as(files[0].relative)}." if files else ""
    return WrongInput(f"{path} names none of the photos, but others, as {name}.{like} Give the one of this data.")
