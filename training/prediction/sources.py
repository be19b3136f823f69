"""The photos to classify, one after the other: files, folders, patterns, S3 prefixes, standard input.

file, folder, pattern, s3://bucket/prefix, `-` -> Given (a name, and how to get the bytes)
"""

from __future__ import annotations

import glob
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from training.aws_trouble import trouble
from training.data.s3 import SCHEME, explained, reach, s3_client
from training.data.s3_objects import opened
from training.data.walking import is_clutter
from training.errors import TrainingError, WrongInput, why

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

STDIN = "-"


class NotFetched(Exception):
    """The bytes of one photo cannot be read; the sentence says why."""


@dataclass(frozen=True)
class Given:
    """One photo; `fetch` raises NotFetched."""

    name: str
    fetch: Callable[[], bytes]


def given_photos(words: Sequence[str], lines: Iterable[str] | None = None) -> Iterator[Given]:
    """Every photo that the words name, lazily; a folder's in the order of their paths, hidden ones and those
    that systems leave there (`is_clutter`) left out.

    `-` stands for `lines` (by default, standard input), each of which names a file, a folder or an S3 prefix. Raises
    WrongInput at once if a word names nothing, and TrainingError if S3 does not list it; a line that names nothing
    is a photo that cannot be fetched.
    """
    for word in words:
        if word.startswith(SCHEME):
            next(_keys(word))
        elif not (word == STDIN or Path(word).exists() or _matches(word)):
            raise WrongInput(f"{word} does not exist. Give files, folders, s3://bucket/prefix, or - for a list.")
    return _each(words, _standard_input() if lines is None else lines)


def _each(words: Sequence[str], lines: Iterable[str]) -> Iterator[Given]:
    for word in words:
        if word == STDIN:
            for line in lines:
                if name := line.rstrip("\r\n"):
                    yield from _of_line(name)
        elif not word.startswith(SCHEME) and not Path(word).exists():
            for match in _matches(word):
                yield from _of(match)
        else:
            yield from _of(word)


def _standard_input() -> Iterable[str]:
    if isinstance(sys.stdin, TextIOWrapper) and sys.stdin.errors != "surrogateescape":
        sys.stdin.reconfigure(errors="surrogateescape")  # the name of a file need not be text
    return sys.stdin


def _of_line(name: str) -> Iterator[Given]:
    try:
        yield from _of(name)
    except TrainingError as error:  # nothing there: the other lines may be better
        yield Given(name, partial(_not_there, str(error)))


def _not_there(reason: str) -> bytes:
    raise NotFetched(reason)


def _of(word: str) -> Iterator[Given]:
    if word.startswith(SCHEME):
        yield from _in_s3(word)
    elif Path(word).is_dir():
        for path in sorted(Path(word).rglob("*")):
            if path.is_file() and not any(map(is_clutter, path.relative_to(word).parts)):
                yield Given(str(path), partial(_read, path))
    else:
        yield Given(word, partial(_read, Path(word)))


def _matches(pattern: str) -> list[str]:
    return sorted(glob.iglob(pattern, recursive=True)) if glob.has_magic(pattern) else []  # noqa: PTH207 - a whole path


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a zero byte in its name
        raise NotFetched(f"The file cannot be opened ({why(error)}).") from error


def _in_s3(url: str) -> Iterator[Given]:
    bucket = url.removeprefix(SCHEME).partition("/")[0]
    for client, key in _keys(url):
        yield Given(f"{SCHEME}{bucket}/{key}", partial(_get, client, bucket, key))


def _keys(url: str) -> Iterator[tuple[S3Client, str]]:
    """The keys under a prefix, in S3's order, as in a folder; the object that has this very name wins alone."""
    bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
    found = False
    try:
        with explained(url, "listed"):
            reach(bucket)
            client = s3_client()
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for item in page.get("Contents", []):
                    if not item["Key"].endswith("/") and not any(map(is_clutter, _below(item["Key"], prefix))):
                        found = True
                        yield client, item["Key"]
                        if item["Key"] == prefix:  # comes first: all others under it are longer
                            return
    except ValueError as error:
        raise TrainingError(f"{url} cannot be listed ({why(error)}). Check the name.") from error
    if not found:
        raise WrongInput(f"There is nothing under {url}. Check the bucket's name and the prefix.")


def _below(key: str, prefix: str) -> list[str]:
    """The names in a key that are no part of the prefix; a name that the prefix begins is what the person typed."""
    names = key.removeprefix(prefix).split("/")
    return names if not prefix or prefix.endswith("/") else names[1:]


def _get(client: S3Client, bucket: str, key: str) -> bytes:
    from botocore.exceptions import BotoCoreError

    try:
        with opened(client, bucket, key, "The object") as (content, _):
            return b"".join(content)
    except TrainingError as error:
        raise NotFetched(str(error)) from error
    except BotoCoreError as error:
        raise NotFetched(f"The object cannot be read: {trouble(error, 'S3')}") from error
