"""Which engine serves an archive: the one that is configured, or the fastest; the reference if neither can."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from inference.archive.digest import matches_sha256
from inference.archive.golden_pictures import GoldenPicture
from inference.archive.model_file import EngineFile, ModelFile, ModelRefused
from inference.engines.proof import prove
from inference.engines.seam import Engine, EngineFailed, Machine, Precision

logger = logging.getLogger(__name__)

EngineName = Literal["auto", "torch", "torch-compiled", "aotinductor", "openvino"]
TRIES = 3  # of one picture, the best counts: enough to tell engines apart that differ by a fifth


@dataclass(frozen=True)
class EngineChoice:
    """The engine that serves, and why it is not the one that was configured."""

    engine: Engine
    fallback: str | None = None


@dataclass(frozen=True)
class Candidate:
    """An engine that could be loaded."""

    name: str
    load: Callable[[], Engine]


def choose(
    folder: Path, model: ModelFile, golden: tuple[GoldenPicture, ...], machine: Machine, *,
    engine: EngineName = "auto", precision: Precision | None = None,
) -> EngineChoice:  # fmt: skip
    """Load an engine for the unpacked archive in `folder` that reproduces its golden predictions.

    `auto` loads what the archive holds for this kind of machine and keeps the fastest. If none can be used, the
    reference serves, and `fallback` says why. Raises ModelRefused if the reference, too, is not what was trained.
    """
    reasons: list[str] = []
    usable: list[Engine] = []
    for candidate in candidates(folder, model, machine, engine, precision):
        try:
            usable.append(_tried(_loaded(candidate.load), golden))
        except EngineFailed as failed:
            reasons.append(f"{candidate.name}: {failed}")
            logger.warning("engine not usable: %s", reasons[-1])
    if usable:
        return EngineChoice(min(usable, key=_seconds(golden)) if len(usable) > 1 else usable[0])
    try:
        reference = _loaded(lambda: _reference(folder, model, machine))
    except EngineFailed as failed:  # an installation for OpenVINO alone
        raise ModelRefused(" ".join([*reasons, f"The reference cannot serve: {failed}"])) from failed
    try:
        return EngineChoice(_tried(reference, golden), " ".join(reasons) or None)
    except EngineFailed as failed:
        raise ModelRefused(f"The archive is not what was packaged: {failed} Package the model again.") from failed


def candidates(
    folder: Path, model: ModelFile, machine: Machine, engine: EngineName, precision: Precision | None
) -> Iterator[Candidate]:
    """The engines to try, by the settings, the archive and the machine.

    `auto` on a GPU is AOTInductor if it was compiled, else torch in bf16; on a CPU every OpenVINO network. An int8 network
    was packaged because it passed its gate.
    """
    gpu = machine.has_gpu
    ours = {"auto": "aotinductor" if gpu else "openvino"}.get(engine, engine)
    found = [it for it in model.engines if it.engine == ours and precision in (None, *it.precisions)]
    for file in found:
        for one in file.precisions if precision is None else (precision,):
            yield Candidate(f"{ours}-{one}", _loader(folder, file, machine, one))
    if engine in ("torch", "torch-compiled") or (engine == "auto" and gpu and not found):
        chosen = precision or ("bf16" if gpu else "fp32")
        compiled = engine == "torch-compiled"
        yield Candidate(f"torch-{chosen}", lambda: _reference(folder, model, machine, chosen, compiled=compiled))
    elif not found and (engine != "auto" or precision is not None or model.engines):
        yield Candidate(f"{ours}-{precision or 'any precision'}", _missing)


def _loader(folder: Path, file: EngineFile, machine: Machine, precision: Precision) -> Callable[[], Engine]:
    def load() -> Engine:
        _check_files(folder, file)
        first = folder / next(iter(file.files))
        if file.engine == "openvino":
            from inference.engines.openvino import OpenVinoEngine

            return OpenVinoEngine(first, precision=precision, threads=machine.threads)
        from inference.engines.aotinductor import AotInductorEngine

        return AotInductorEngine(first, machine, precision=precision, processor=file.processor)

    return load


def _loaded(load: Callable[[], Engine]) -> Engine:
    """An engine's library is imported only now: a machine without it can serve with another engine."""
    try:
        return load()
    except ImportError as error:
        raise EngineFailed(f"{error}. Install requirements/model_server.txt.") from error


def _reference(
    folder: Path, model: ModelFile, machine: Machine, precision: Precision = "fp32", *, compiled: bool = False
) -> Engine:
    from inference.engines.reference import TorchEngine  # imports timm, which takes seconds

    return TorchEngine(folder, model, machine, precision=precision, compiled=compiled)


def _missing() -> Engine:
    raise EngineFailed("The archive does not hold it. Package it with `podium package --engine`.")


def _check_files(folder: Path, file: EngineFile) -> None:
    for name, sha256 in file.files.items():
        if not matches_sha256(folder / name, sha256):
            raise EngineFailed(f"{name} is missing, or is not the file that model.json names.")


def _tried(engine: Engine, golden: tuple[GoldenPicture, ...]) -> Engine:
    """The engine, after it gave the golden logits for every golden picture; raises EngineFailed if it does not."""
    prove(engine, golden)
    return engine


def _seconds(golden: tuple[GoldenPicture, ...]) -> Callable[[Engine], float]:
    one = np.ascontiguousarray(golden[0].pixels[None])

    def seconds(engine: Engine) -> float:
        laps = []
        for _ in range(TRIES):
            began = time.perf_counter()
            engine.logits(one)
            laps.append(time.perf_counter() - began)
        logger.info("%s: %.1f ms for one image", engine.name, 1000 * min(laps))
        return min(laps)

    return seconds
