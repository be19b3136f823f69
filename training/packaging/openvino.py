"""Export to OpenVINO: one graph for fp32 and bf16, and an int8 graph that must pass its gate."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import numpy as np
import openvino
import torch
from openvino.frontend import OpConversionFailure
from torch import nn

from inference.archive.digest import file_sha256
from inference.images.pixels import Pixels
from training.errors import TrainingError
from training.model.model_file import EngineFile, ModelFile
from training.packaging.graph import ServingGraph, exported, exporting

CALIBRATION_IMAGES = 300  # NNCF's own default


def export(network: nn.Module, facts: ModelFile, folder: Path) -> EngineFile:
    """Write openvino.xml and openvino.bin into `folder`: uint8 (N, H, W, 3) in, logits (N, C) out, fp32 weights.

    Raises NotExported if OpenVINO does not know an operation of the network.
    """
    return _written(
        _converted(network, facts),
        folder / "openvino.xml",
        EngineFile(engine="openvino", precisions=("fp32", "bf16"), files={}),
    )


def export_int8(
    network: nn.Module, facts: ModelFile, folder: Path, *, calibration: Sequence[Pixels], held_out: Pixels,
    least_agreement: float,
) -> EngineFile:  # fmt: skip
    """Quantise with NNCF and write openvino-int8.xml and .bin.

    `calibration` are training photos as the model sees them; `held_out` (N, H, W, 3) are others. Raises TrainingError
    where int8 and fp32 name the same class for less than `least_agreement` of those: such a network is not packaged.
    """
    import nncf  # a second's import

    logging.getLogger("nncf").setLevel(logging.ERROR)
    whole = _converted(network, facts)
    with redirect_stdout(sys.stderr):  # for NNCF's bars; stdout belongs to the console's one document
        quantised = nncf.quantize(
            whole,
            nncf.Dataset([pixels[None] for pixels in calibration]),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(calibration),
            fast_bias_correction=False,  # one layer after the other: 97.7 % instead of 96.2 % of a MobileNetV2's photos agreed
        )
    agreement = float(np.mean(_classes(quantised, held_out) == _classes(whole, held_out)))
    if agreement < least_agreement:
        raise TrainingError(
            f"int8 names the same class as fp32 for {agreement:.2%} of {len(held_out)} validation photos, under the gate of"
            f" {least_agreement:.1%}: it is not packaged. Package with --precision bf16, or train the model further."
        )
    entry = EngineFile(engine="openvino", precisions=("int8",), files={}, agreement=agreement, held_out=len(held_out))
    return _written(quantised, folder / "openvino-int8.xml", entry)


def _converted(network: nn.Module, facts: ModelFile) -> openvino.Model:
    with exporting("OpenVINO", facts.architecture, OpConversionFailure), _log_level_kept():
        program = exported(ServingGraph(network, facts.preprocessing).eval(), facts.preprocessing, torch.device("cpu"))
        graph = openvino.convert_model(program)
        _, height, width = facts.preprocessing.input_size
        graph.reshape(openvino.PartialShape([-1, height, width, 3]))
    return _named(graph)


@contextmanager
def _log_level_kept() -> Iterator[None]:
    """A conversion that fails leaves the root logger at ERROR: no later warning of this process would be seen."""
    level = logging.root.level
    try:
        yield
    finally:
        logging.root.setLevel(level)


def _named(graph: openvino.Model) -> openvino.Model:
    """The graph with names that count from 0: OpenVINO's own count on from one graph of the process to the next."""
    graph.set_friendly_name("podium")
    for number, node in enumerate(graph.get_ordered_ops()):
        node.set_friendly_name(f"{node.get_type_name()}_{number}")
    return graph


def _written(graph: openvino.Model, path: Path, entry: EngineFile) -> EngineFile:
    try:
        openvino.save_model(_named(graph), path, compress_to_fp16=False)
    except RuntimeError as error:  # OpenVINO does not say why
        raise TrainingError(
            f"OpenVINO could not write {path.with_suffix('.bin')} ({error}). Make room on its disk, and package again."
        ) from error
    files = {file.name: file_sha256(file) for file in (path, path.with_suffix(".bin"))}
    return entry.model_copy(update={"files": files})


def _classes(graph: openvino.Model, pixels: Pixels) -> np.typing.NDArray[np.int64]:
    hints = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "THROUGHPUT"}
    compiled = openvino.compile_model(graph, "CPU", hints)
    return np.concatenate([compiled([batch])[0].argmax(axis=1) for batch in _batches(pixels)])


def _batches(pixels: Pixels, size: int = 16) -> Iterator[Pixels]:
    return (pixels[start : start + size] for start in range(0, len(pixels), size))
