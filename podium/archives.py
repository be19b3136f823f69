"""Packaged models (`.mar`): made of a finished run, and read without loading a weight."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from podium.errors import ConsoleError, foreseen
from podium.project import MODELS, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.packaging.engines import Engine, Precision


class ArchivedEngine(BaseModel):
    """An engine that a server can load instead of the weights, and how often int8 named the class that fp32 names."""

    model_config = ConfigDict(frozen=True)

    engine: str
    precisions: tuple[str, ...]
    agreement: float | None = None
    held_out: int | None = None


class ArchivedModel(BaseModel):
    """Name, version, classes and engines of the model inside a `.mar`."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: str
    classes: tuple[str, ...]
    engines: tuple[ArchivedEngine, ...] = ()

    @property
    def ref(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


def package_run(
    run: Path, *, name: str, version: str, out: Path = MODELS, engine: Engine = "auto",
    precision: Precision = "auto", least_agreement: float | None = None, on_step: Callable[[str], None] | None = None,
    on_note: Callable[[str], None] = lambda _: None,
) -> Path:  # fmt: skip
    """The archive of a finished run, with the handler and the code that reads images and computes."""
    server = ROOT / "model_server"
    with foreseen():
        from training.packaging.engines import LEAST_AGREEMENT
        from training.packaging.package import package

        return package(
            run, name=name, version=version, export_dir=out, handler=server / "handler.py",
            extra_files=[server / "serving", ROOT / "inference"],
            config_file=server / "model-config.yaml", engine=engine, precision=precision,
            least_agreement=LEAST_AGREEMENT if least_agreement is None else least_agreement, on_step=on_step,
            on_note=on_note,
        )  # fmt: skip


def read_archive(archive: Path) -> ArchivedModel:
    """The model in an archive; ConsoleError when the file is not one of ours."""
    if not archive.is_file():
        raise ConsoleError(f"no archive at {archive}. Make one with `podium package RUN`.")
    from inference.archive.errors import ModelRefused
    from inference.archive.packed import read_packed

    try:
        model = read_packed(archive)
    except ModelRefused as error:
        raise ConsoleError(f"{archive} cannot be used. {error}") from error
    engines = tuple(
        ArchivedEngine(engine=it.engine, precisions=it.precisions, agreement=it.agreement, held_out=it.held_out)
        for it in model.engines
    )
    return ArchivedModel(name=model.name, version=model.version, classes=model.classes, engines=engines)


def newest_archive() -> Path | None:
    """The archive that was packaged last; None before the first one."""
    return max(MODELS.glob("*.mar"), key=lambda path: path.stat().st_mtime, default=None)
