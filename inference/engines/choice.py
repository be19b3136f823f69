"""Which engine serves an archive: the one that is configured, or the fastest; the reference if neither can.

`choose` decides for this process alone; `choose_for_all` for all workers of a server, by the record of one of them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from inference.archive.digest import matches_sha256
from inference.archive.engine_files import EngineFile
from inference.archive.errors import AGAIN, ModelRefused
from inference.archive.golden_pictures import GoldenPicture
from inference.archive.model_file import ModelFile
from inference.engines.agreed import Agreement, CannotRecord, Choice, NotAgreed
from inference.engines.proof import prove
from inference.engines.seam import Engine, EngineFailed, Machine, Precision

logger = logging.getLogger(__name__)

EngineName = Literal["auto", "torch", "torch-compiled", "aotinductor", "openvino"]
REFERENCE = "torch-fp32"  # by its name; it serves if nothing else can
TRIES = 3  # of one picture, the best counts: enough to tell engines apart that differ by a fifth


@dataclass(frozen=True)
class EngineChoice:
    """The engine that serves, why it is not the one that was configured, and what was measured to choose it."""

    engine: Engine
    fallback: str | None = None
    measured_ms: Mapping[str, float] = field(default_factory=dict, compare=False)  # for one image, by an engine's name
    agreement: Agreement | None = field(default=None, compare=False)  # held as long as this engine serves


@dataclass(frozen=True)
class Candidate:
    """An engine that could be loaded."""

    name: str
    load: Callable[[], Engine]
    stands_in: bool = False  # only if none before it can be used


def choose(
    folder: Path, model: ModelFile, golden: tuple[GoldenPicture, ...], machine: Machine, *,
    engine: EngineName = "auto", precision: Precision | None = None, measure: bool = True, reference: bool = True,
) -> EngineChoice:  # fmt: skip
    """Load an engine for the unpacked archive in `folder` that reproduces its golden predictions.

    `auto` loads what the archive holds for this kind of machine and keeps the fastest; without `measure`, the first that
    can be used. If none can, the uncompiled network in bf16 stands in on a GPU, and else the reference serves; `fallback`
    says why. Raises ModelRefused if the reference, too, is not what was trained, or if it is not wanted.
    """
    reasons: list[str] = []
    usable: list[Engine] = []
    for candidate in candidates(folder, model, machine, engine, precision):
        if usable and (candidate.stands_in or not measure):
            break
        try:
            tried = _tried(_loaded(candidate.load), golden)
        except EngineFailed as failed:
            reasons.append(f"{candidate.name}: {failed}")
            logger.warning("engine not usable: %s", reasons[-1])
            continue
        if candidate.stands_in:
            return EngineChoice(tried, " ".join(reasons))
        usable.append(tried)
    if usable:
        measured_ms = {it.name: _milliseconds(it, golden) for it in usable} if len(usable) > 1 else {}
        return EngineChoice(min(usable, key=lambda it: measured_ms.get(it.name, 0.0)), None, measured_ms)
    if not reference:
        raise ModelRefused(" ".join(reasons))
    try:
        network = _loaded(lambda: _reference(folder, model, machine))
    except EngineFailed as failed:  # an installation for OpenVINO alone
        raise ModelRefused(" ".join([*reasons, f"The reference cannot serve: {failed}"])) from failed
    try:
        return EngineChoice(_tried(network, golden), " ".join(reasons) or None)
    except EngineFailed as failed:
        raise ModelRefused(f"The archive is not what was packaged: {failed}", AGAIN) from failed


def choose_for_all(
    record: Path, about: Mapping[str, object], folder: Path, model: ModelFile, golden: tuple[GoldenPicture, ...],
    machine: Machine, *, engine: EngineName = "auto", precision: Precision | None = None,
) -> EngineChoice:  # fmt: skip
    """Load the engine that `record` names for all workers of a server; the first of them to come makes the choice.

    A worker that cannot load it while others serve by it raises ModelRefused: it would give other probabilities. If nothing
    can be recorded, nothing is measured: each worker loads the first engine that can be used, so that all load the same.
    """

    def load(choice: Choice) -> EngineChoice | str:
        loaders = {REFERENCE: lambda: _reference(folder, model, machine)}
        loaders |= {it.name: it.load for it in candidates(folder, model, machine, engine, precision)}
        loader = loaders.get(choice.engine, _missing)
        try:
            return EngineChoice(_tried(_loaded(loader), golden), choice.fallback)
        except EngineFailed as failed:
            return f"{choice.engine}: {failed}"

    def choose_first() -> tuple[EngineChoice, Choice]:
        chosen = choose(folder, model, golden, machine, engine=engine, precision=precision)
        return chosen, Choice(chosen.engine.name, chosen.fallback, chosen.measured_ms)

    try:
        agreement = Agreement(record)
        chosen, _ = agreement.reach(load, choose_first, about)
    except NotAgreed as problem:
        raise ModelRefused(
            f"This worker cannot use the engine that the server's other workers use: {problem} Its answers would differ "
            "from theirs, so it does not serve. Restart the server if this lasts."
        ) from problem
    except CannotRecord as problem:
        logger.warning("no engine is measured, because the choice would not reach the other workers: %s", problem)
        return choose(folder, model, golden, machine, engine=engine, precision=precision, measure=False)
    return replace(chosen, agreement=agreement)


def candidates(
    folder: Path, model: ModelFile, machine: Machine, engine: EngineName, precision: Precision | None
) -> Iterator[Candidate]:
    """The engines to try, by the settings, the archive and the machine.

    `auto` on a GPU is AOTInductor if it was compiled, else torch in bf16; on a CPU every OpenVINO network. An int8 network
    was packaged because it passed its gate. Compiled code fits one generation of GPUs: on another, torch in bf16 stands in, for
    fp32 would take several times as long.
    """
    gpu = machine.has_gpu
    ours = {"auto": "aotinductor" if gpu else "openvino"}.get(engine, engine)
    found = [it for it in model.engines if it.engine == ours and precision in (None, *it.precisions)]
    for file in found:
        for one in file.precisions if precision is None else (precision,):
            yield Candidate(f"{ours}-{one}", _loader(folder, file, machine, one))
    if gpu and found and ours == "aotinductor":
        stand_in = precision or "bf16"
        yield Candidate(f"torch-{stand_in}", lambda: _reference(folder, model, machine, stand_in), stands_in=True)
    elif engine in ("torch", "torch-compiled") or (engine == "auto" and gpu and not found):
        chosen = precision or ("bf16" if gpu else "fp32")
        compiled = engine == "torch-compiled"
        yield Candidate(
            f"{'torch-compiled' if compiled else 'torch'}-{chosen}",
            lambda: _reference(folder, model, machine, chosen, compiled=compiled),
        )
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


def _milliseconds(engine: Engine, golden: tuple[GoldenPicture, ...]) -> float:
    """For one image, the best of some tries."""
    one = np.ascontiguousarray(golden[0].pixels[None])
    laps = []
    for _ in range(TRIES):
        began = time.perf_counter()
        engine.logits(one)
        laps.append(time.perf_counter() - began)
    logger.info("%s: %.1f ms for one image", engine.name, 1000 * min(laps))
    return round(1000 * min(laps), 3)
