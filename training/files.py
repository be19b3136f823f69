"""Files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import BaseModel

from inference.harmless import harmless_json


def why_no_file(path: Path) -> str:
    """What a path that is no file is instead, for a sentence; OSError if it cannot be looked at."""
    if path.is_dir():
        return "it is a folder"
    return "it is a pipe, a socket or a device, and no file" if path.exists() else "there is no such file"


@contextmanager
def replacing(path: Path, *, synced: bool = True, shared: bool = False) -> Iterator[Path]:
    """The path of a draft beside `path`: it takes that place when the block ends, and is removed when the block raises.

    `synced`: also after a power cut the file is whole. `shared`: other processes may write the same file at the same
    time, so the draft is this process's own.
    """
    name = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]  # a name of 255 bytes has no room for more
    draft = path.with_name(f".{name}{f'-{os.getpid()}' if shared else ''}.part")
    try:
        yield draft
        if synced:
            with draft.open("rb") as file:
                os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        if error.errno and error.filename in (None, str(draft)):  # a write into an open file names none
            error.filename = str(path)
        raise
    finally:
        with suppress(OSError):  # it is there only when the block raised
            draft.unlink()


def write_record(record: BaseModel, path: Path) -> None:
    """Write a record as JSON, in which no name steers a terminal: whole or not at all."""
    write_atomically(json_of(record), path)


def json_of(record: BaseModel) -> str:
    """A record as such JSON, with an end of line."""
    return harmless_json(record.model_dump_json(indent=1)) + "\n"


def write_atomically(text: str, path: Path, *, private: bool = False) -> None:
    """Write the file whole or not at all, also after a power cut; `private`: only its owner may read it."""
    with replacing(path) as draft:
        if private:
            draft.touch(mode=0o600)
        draft.write_text(text, encoding="utf-8")
