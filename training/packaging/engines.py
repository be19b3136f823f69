"""The engine files of an archive, by the requested engine and the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn

from inference.archive.golden_pictures import read_golden
from inference.engines.proof import prove
from inference.engines.seam import EngineFailed
from inference.engines.torch_resize import torch_resize
from inference.images.pixels import Pixels, model_input
from inference.images.reading import UnreadableImage
from training.data.listing import split_rows
from training.data.sources import photos_folder
from training.errors import WrongInput
from training.model.model_file import EngineFile, ModelFile
from training.packaging import aotinductor
from training.packaging.graph import NotExported
from training.settings.config import read_config

Engine = Literal["auto", "all", "torch", "torch-compiled", "openvino", "aotinductor"]
Precision = Literal["auto", "fp32", "bf16", "int8"]
HELD_OUT_IMAGES = 2000  # at most, of the validation photos
LEAST_AGREEMENT = 0.99  # of int8's top class with fp32's, on photos that no step of the quantisation saw


def build_engines(
    run_folder: Path, network: nn.Module, facts: ModelFile, folder: Path, *, engine: Engine, precision: Precision,
    least_agreement: float = LEAST_AGREEMENT, on_note: Callable[[str], None] = lambda _: None,
) -> tuple[EngineFile, ...]:  # fmt: skip
    """Write the files of the requested engine into `folder`, where golden.json lies, and return their entries.

    `auto` is OpenVINO on a machine without a GPU, and AOTInductor on one with it, or torch if that cannot compile, or if
    the engine does not know this network, of which `on_note` gets a sentence; `all` is both. Raises WrongInput if engine and
    precision do not go together, and TrainingError if an export fails or int8 does not pass its gate.
    """
    gpu = torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    for_gpu = "torch" if aotinductor.what_is_missing(device) else "aotinductor"
    chosen = {"auto": for_gpu if gpu else "openvino"}.get(engine, engine)
    if precision == "int8" and chosen not in ("openvino", "all"):
        raise WrongInput(f"--precision int8 is OpenVINO's, and the engine is {chosen}. Use --engine openvino.")
    files: list[EngineFile] = []
    try:
        if chosen in ("openvino", "all"):
            files += _for_openvino(run_folder, network, facts, folder, least_agreement if precision == "int8" else None)
        if chosen in ("aotinductor", "all"):
            half = precision == "bf16" or (precision in ("auto", "int8") and gpu)
            files.append(
                aotinductor.export(network, facts, folder, device=device, precision="bf16" if half else "fp32")
            )
    except NotExported as error:
        if engine != "auto" or precision == "int8":
            raise
        on_note(f"{error.reason}: torch serves it")
    return tuple(files)


def _for_openvino(
    run_folder: Path, network: nn.Module, facts: ModelFile, folder: Path, least_agreement: float | None
) -> Iterator[EngineFile]:
    from training.packaging import openvino  # a second's import

    entry = openvino.export(network, facts, folder)
    _prove(entry, facts, folder)
    yield entry
    if least_agreement is not None:
        yield openvino.export_int8(
            network, facts, folder,
            calibration=_photos(run_folder, facts, "train", openvino.CALIBRATION_IMAGES),
            held_out=np.stack(_photos(run_folder, facts, "validation", HELD_OUT_IMAGES)), least_agreement=least_agreement,
        )  # fmt: skip


def _prove(entry: EngineFile, facts: ModelFile, folder: Path) -> None:
    """NotExported, and no file, if OpenVINO's fp32 network gives other logits for the golden pictures than torch's.

    Left to the server if this machine's CPU is one that OpenVINO does not know.
    """
    from inference.engines.openvino import OpenVinoEngine

    golden = read_golden(folder, facts.preprocessing.transform, len(facts.classes))
    try:
        engine = OpenVinoEngine(folder / next(iter(entry.files)), precision="fp32", threads=1)
    except EngineFailed:
        return
    try:
        prove(engine, golden)
    except EngineFailed as failed:
        for name in entry.files:
            (folder / name).unlink()
        raise NotExported(f"OpenVINO cannot run {facts.architecture} ({str(failed).rstrip('.')})") from failed


def _photos(run_folder: Path, facts: ModelFile, split: str, count: int) -> list[Pixels]:
    """Up to `count` photos of one split, spread over it, as the model sees them; those that cannot be read are left out."""
    data = photos_folder(read_config(run_folder / "config.yaml").data)
    names = [row["path"] for row in split_rows(run_folder / "split.csv") if row["split"] == split]
    paths = [data / name for name in names if (data / name).is_file()]
    if not paths:
        raise WrongInput(f"int8 is calibrated with the run's photos, and none of them is in {data}. Bring them back.")

    def look(path: Path) -> Pixels | None:
        try:
            return model_input(path.read_bytes(), facts.preprocessing.transform, resize=torch_resize)
        except UnreadableImage:
            return None

    step = max(1, len(paths) // count)
    with ThreadPoolExecutor(2) as pool:
        return [pixels for pixels in pool.map(look, islice(paths, 0, count * step, step)) if pixels is not None]
