"""What a packaged archive says of its model, read without loading anything from it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from podium.errors import ConsoleError
from podium.project import MODELS


class ArchivedEngine(BaseModel):
    """What a server can load instead of the weights; int8 says how often it named the class that fp32 names."""

    model_config = ConfigDict(frozen=True)

    engine: str
    precisions: tuple[str, ...]
    agreement: float | None = None
    held_out: int | None = None

    def __str__(self) -> str:
        said = f"{self.engine} {', '.join(self.precisions)}"
        if self.agreement is None:
            return said
        return f"{said} (the class of fp32 for {self.agreement:.1%} of {self.held_out} validation photos)"


class ArchivedModel(BaseModel):
    """Name and version inside a `.mar`."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: str
    classes: tuple[str, ...]
    engines: tuple[ArchivedEngine, ...] = ()

    @property
    def ref(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


def read_archive(archive: Path) -> ArchivedModel:
    """The model in an archive; ConsoleError when the file is not one of ours."""
    if not archive.is_file():
        raise ConsoleError(f"no archive at {archive}. Make one with `podium package RUN`.")
    try:
        with zipfile.ZipFile(archive) as opened:
            return ArchivedModel.model_validate(json.loads(opened.read("model.json")))
    except (zipfile.BadZipFile, KeyError, ValueError, ValidationError) as error:
        raise ConsoleError(
            f"{archive} is no Podium archive ({error}). Package a run again with `podium package RUN`."
        ) from error


def newest_archive() -> Path | None:
    """The archive that was packaged last; None before the first one."""
    return max(MODELS.glob("*.mar"), key=lambda path: path.stat().st_mtime, default=None)
