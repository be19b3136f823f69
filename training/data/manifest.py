"""A table that names every photo and its class: CSV with a header, or JSONL; columns path, label and, perhaps, split.

Paths may be written with backslashes, or with letters that Unicode can write in two ways: the file that is there counts.
"""

from __future__ import annotations

import csv
import json
import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from training.data.audited import spelled
from training.data.names import check_distinct, is_text
from training.data.records import LabelledFile, Split
from training.data.split_names import split_named
from training.data.tables import read_table
from training.errors import WrongInput, machine_sentence, why
from training.files import why_no_file
from training.sentences import short

MOST_DIGITS = 255  # of a whole number: a file's name has no more
SUFFIXES = (".csv", ".jsonl", ".ndjson")


@dataclass(frozen=True)
class ManifestRow:
    """One line of a manifest; `path` has forward slashes and is relative to the manifest's folder."""

    line: int
    path: str
    label: str
    split: Split


def is_manifest(name: str) -> bool:
    """Whether a file of this name would be a manifest."""
    return name.lower().endswith(SUFFIXES)


def in_manifest(path: Path) -> tuple[tuple[str, ...], list[LabelledFile]]:
    """The classes, sorted, and every photo that the manifest names.

    Raises WrongInput for the first line that is wrong, with its number; also if a photo does not exist.
    """
    files = []
    for row in read_rows(path):
        photo = path.parent / row.path
        if not _is_file(path, row.line, photo):
            raise _wrong(path, row.line, _no_file(photo))
        files.append(LabelledFile(photo, row.path, row.label, row.split))
    classes = tuple(sorted({found.label for found in files}))
    if len(classes) < 2:
        seen = f"only one class, {classes[0]!r}" if classes else "no photo"
        raise WrongInput(f"{path} names {seen}. Add lines for photos of at least two classes.")
    check_distinct(path, classes)
    return classes, files


def read_rows(path: Path) -> list[ManifestRow]:
    """Every line of the manifest, whether or not the photos exist; WrongInput names the line that is wrong."""
    if path.exists() and not path.is_file():  # to open a pipe is to wait for who writes
        raise WrongInput(f"{path} cannot be read: {why_no_file(path)}. Save it as a file.")
    read = _csv_lines if path.suffix.lower() == ".csv" else _json_lines
    lines: dict[str, int] = {}
    rows = []
    try:
        for line, values in read(path):
            row = _row(path, line, values)
            if row.path in lines:
                raise _wrong(path, line, f"{row.path} is listed already, in line {lines[row.path]}")
            lines[row.path] = line
            rows.append(row)
    except UnicodeDecodeError as error:
        raise WrongInput(f"{path} cannot be read ({why(error)}). Save it anew, as text in UTF-8.") from error
    except OSError as error:
        raise WrongInput(machine_sentence(error) or f"{path} cannot be read ({why(error)}).") from error
    return rows


def _csv_lines(path: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    line = 1
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            reader = read_table(file)
            names = reader.fieldnames or ()
            if missing := {"path", "label"} - set(names):
                seen = ",".join(names)[:80]
                raise _wrong(
                    path, 1,
                    f"the header lacks {' and '.join(sorted(missing))}, and is {seen!r}. Begin with path,label or"
                    " path,label,split",
                )  # fmt: skip
            for values in reader:
                line = reader.line_num
                yield line, values
        except csv.Error as error:
            raise _wrong(path, line, f"after this line it is no CSV: {why(error)}") from error


def _json_lines(path: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    with path.open(encoding="utf-8-sig") as file:
        for line, text in enumerate(file, start=1):
            if not text.strip():
                continue
            try:
                values = json.loads(text, object_pairs_hook=_named_once, parse_int=_whole_number)
            except (json.JSONDecodeError, RecursionError) as error:
                raise _wrong(path, line, f"this is no JSON ({why(error)})") from error
            except _WrongJson as error:
                raise _wrong(path, line, str(error)) from error
            if not isinstance(values, dict):
                raise _wrong(path, line, 'this is no object. Write {"path": ..., "label": ...}')
            yield line, values


class _WrongJson(Exception):
    """JSON that Python reads, or fails to read, in a way of its own: why, in words."""


def _named_once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """The object; of two values of one name Python takes the last."""
    values: dict[str, object] = {}
    for name, value in pairs:
        if name in values:
            raise _WrongJson(f"{short(name)} is there twice. Keep one of them")
        values[name] = value
    return values


def _whole_number(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise _WrongJson(
            f"a number of {len(digits):,} digits is no path, label or split. Write it in quotes if it is a name"
        )
    return int(digits)


def _row(path: Path, line: int, values: Mapping[str, object]) -> ManifestRow:
    text = {name: _text(path, line, name, values.get(name)) for name in ("path", "label", "split")}
    for name in ("path", "label"):
        if not text[name]:
            raise _wrong(path, line, f"{name} is empty")
        if "\0" in text[name]:
            raise _wrong(path, line, f"{name} is {text[name][:80]!a}: NUL bytes are no text. Save the table as UTF-8")
    split = split_named(text["split"]) if text["split"] else "train"  # without one: no split yet
    if split is None:
        raise _wrong(path, line, f"split is {text['split']!r}. Use train, validation or test, or leave it empty")
    if not is_text(text["label"]):
        raise _wrong(path, line, f"label is {text['label']!a}, which is not UTF-8")
    return ManifestRow(line, _spelling_of_the_file(path, line, text["path"]), text["label"], split)


def _spelling_of_the_file(manifest: Path, line: int, text: str) -> str:
    """The path in the spelling of the existing file; with forward slashes if there is none."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        raise _wrong(manifest, line, f"path is {text!a}, which no file is called") from error
    forward = text.replace("\\", "/")
    if not text.isascii() or forward != text:
        composed, taken_apart = (unicodedata.normalize(form, forward) for form in ("NFC", "NFD"))
        ways = (text, forward, composed, taken_apart)
        forward = next((way for way in ways if os.path.isfile(manifest.parent / way)), forward)  # noqa: PTH113
    return PurePosixPath(forward).as_posix()


def _no_file(photo: Path) -> str:
    if photo.exists():
        return f"{spelled(str(photo))} is no photo: {why_no_file(photo)}"
    return f"there is no file {spelled(str(photo))}. Paths are relative to the manifest's folder"


def _is_file(manifest: Path, line: int, photo: Path) -> bool:
    try:
        return photo.is_file()
    except OSError as error:
        raise _wrong(manifest, line, f"{spelled(str(photo))} cannot be opened ({error.strerror})") from error


def _text(path: Path, line: int, name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _wrong(path, line, f"{name} is {value!r}, and should be text")
    return str(value).strip()


def _wrong(path: Path, line: int, what: str) -> WrongInput:
    return WrongInput(f"{path}, line {line}: {what}.")
