"""Compare OpenVINO with ONNX Runtime, the two engines whose wheels Lambda could load, on archives with an int8 network.

    python -m benchmarks.function.engines ARCHIVE... --photos FOLDER [--rounds 60]

Run it in the benchmarks' environment (`make benchmarks`, `.venv-benchmarks/bin/python`), which has ONNX Runtime. Writes function-engines.json and .md to --out.
The engines take turns, batch after batch, so that a busy machine disturbs all alike. ONNX Runtime's int8 network is
quantised here by its own static quantiser, on the photos, signed weights for each channel.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-not-found]
import torch
from onnxruntime.quantization import (  # type: ignore[import-not-found]
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process  # type: ignore[import-not-found]
from torch import Tensor, nn

from benchmarks.function.process import BATCH
from benchmarks.serving import machine
from benchmarks.serving.report import table
from inference.archive.model_file import read_model_file
from inference.archive.packed import unpack_engine, unpacked_data
from inference.engines.openvino import OpenVinoEngine
from inference.engines.reference import TorchEngine
from inference.engines.seam import Logits, Machine
from inference.images.pixels import EvalTransform, Pixels, model_input

OUT = Path(__file__).resolve().parents[2] / "docs" / "results"
CALIBRATED_ON = 200  # photos
Json = dict[str, Any]
Answers = Callable[[Pixels], Logits]


class Whole(nn.Module):
    """The network with mean and std before it, as the OpenVINO file has them."""

    def __init__(self, engine: TorchEngine) -> None:
        super().__init__()
        self.network = engine.network
        self.mean, self.std = engine._mean, engine._std

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (N, C) of pictures (N, H, W, 3), uint8."""
        logits: Tensor = self.network((pixels.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std)
        return logits


class Photos(CalibrationDataReader):  # type: ignore[misc]
    """Photos for ONNX Runtime's quantiser, one at a time."""

    def __init__(self, pixels: Pixels) -> None:
        self._left = iter(pixels)

    def get_next(self) -> dict[str, Pixels] | None:
        """The next photo, or None at the end."""
        one = next(self._left, None)
        return None if one is None else {"pixels": one[None]}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.function.engines", description=__doc__)
    parser.add_argument("archives", type=Path, nargs="+", metavar="ARCHIVE")
    parser.add_argument("--photos", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--rounds", type=int, default=60, metavar="N")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FOLDER")
    options = parser.parse_args(arguments)
    photos = [path.read_bytes() for path in sorted(options.photos.iterdir()) if path.is_file()]
    rows = [row for archive in options.archives for row in _measured(archive, photos, options.rounds)]
    command = shlex.join(
        ["python", "-m", "benchmarks.function.engines", *(sys.argv[1:] if arguments is None else arguments)]
    )
    facts = {**machine.facts(), "date": f"{datetime.now(UTC):%Y-%m-%d}", "onnxruntime": onnxruntime.__version__}
    document = {"command": command, "machine": facts, "rows": rows}
    (options.out / "function-engines.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (options.out / "function-engines.md").write_text("\n".join(page(rows, facts, command)) + "\n", encoding="utf-8")


def page(rows: Sequence[Json], facts: Json, command: str) -> Iterator[str]:
    """The page, in Markdown."""
    yield "# OpenVINO and ONNX Runtime beside each other"
    yield ""
    yield (
        f"Machine: {facts['cores']} cores of {facts['cpu']}, {facts['memory_gib']} GiB, {facts['system']}. {facts['date']}."
        f" ONNX Runtime {facts['onnxruntime']}."
    )
    yield ""
    yield f"```\n{command}\n```"
    yield ""
    yield (
        f"The network alone, on decoded pictures, in batches of {BATCH}; the engines take turns. The fastest batch of each, because other work on the machine only slows."
        " *same class*: as torch in fp32 names it, of the photos that ONNX Runtime was not calibrated on. *load*: until the"
        " first answer. The int8 of OpenVINO is the archive's; ONNX Runtime's is made by its own static quantiser (QDQ,"
        f" signed weights for each channel, {CALIBRATED_ON} photos)."
    )
    yield ""
    cells = [
        (
            it["archive"], it["engine"], it["threads"], f"{it['images_per_s']:.0f}", f"{it['load_s']:.2f}",
            f"{100 * it['same_class']:.1f} %", f"{it['file_bytes'] / 1e6:.1f}",
        )
        for it in rows
    ]  # fmt: skip
    yield table(("archive", "engine", "threads", "images/s", "load, s", "same class", "file, MB"), cells)


def _measured(archive: Path, photos: Sequence[bytes], rounds: int) -> Iterator[Json]:
    with unpacked_data(archive) as folder, tempfile.TemporaryDirectory(prefix="onnx-") as scratch:
        model = read_model_file(folder)
        networks = Path(scratch) / "openvino"
        networks.mkdir()
        unpack_engine(archive, "openvino", networks)
        transform = EvalTransform.of(model.preprocessing)
        pixels = np.stack([model_input(photo, transform) for photo in photos])
        reference = TorchEngine(folder, model, Machine())
        classes = _classes(reference.logits, pixels)
        files = _exported(reference, pixels[:CALIBRATED_ON], Path(scratch))
        for threads in (1, 2):
            makers: dict[str, tuple[Callable[[], Answers], int]] = {
                f"onnxruntime-{name}": (_maker(file, threads), file.stat().st_size) for name, file in files.items()
            }
            for precision, file in (("fp32", "openvino"), ("int8", "openvino-int8")):
                there = networks / f"{file}.xml"
                size = sum(there.with_suffix(it).stat().st_size for it in (".xml", ".bin"))
                engine = lambda p=precision, f=there: OpenVinoEngine(f, precision=p, threads=threads).logits  # noqa: E731, B023
                makers[f"openvino-{precision}"] = (engine, size)
            yield from _side_by_side(archive, makers, threads, pixels, classes, rounds)


def _side_by_side(
    archive: Path, makers: dict[str, tuple[Callable[[], Answers], int]], threads: int, pixels: Pixels,
    classes: Sequence[int], rounds: int,
) -> Iterator[Json]:  # fmt: skip
    loaded: dict[str, tuple[Answers, float]] = {}
    for name, (make, _) in makers.items():
        before = time.perf_counter()
        answers = make()
        answers(pixels[:1])
        loaded[name] = (answers, time.perf_counter() - before)
    same = {
        name: float(np.mean(np.equal(_classes(answers, pixels[CALIBRATED_ON:]), classes[CALIBRATED_ON:])))
        for name, (answers, _) in loaded.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in loaded}
    for at in range(rounds):
        some = np.ascontiguousarray(np.roll(pixels, -at * BATCH, axis=0)[:BATCH])
        for name, (answers, _) in loaded.items():
            before = time.perf_counter()
            answers(some)
            seconds[name].append(time.perf_counter() - before)
    for name, (_, size) in makers.items():
        yield {
            "archive": archive.stem, "engine": name, "threads": threads, "load_s": loaded[name][1],
            "images_per_s": BATCH / min(seconds[name]), "same_class": same[name], "file_bytes": size,
        }  # fmt: skip


def _classes(answers: Answers, pixels: Pixels) -> list[int]:
    return [
        int(best) for at in range(0, len(pixels), BATCH) for best in answers(pixels[at : at + BATCH]).argmax(axis=1)
    ]


def _exported(reference: TorchEngine, pixels: Pixels, scratch: Path) -> dict[str, Path]:
    files = {"fp32": scratch / "fp32.onnx", "int8": scratch / "int8.onnx"}
    torch.onnx.export(
        Whole(reference).eval(), (torch.from_numpy(pixels[:2]),), files["fp32"], input_names=["pixels"],
        dynamic_shapes={"pixels": {0: torch.export.Dim("images")}}, dynamo=True, external_data=False,
    )  # fmt: skip
    prepared = scratch / "prepared.onnx"
    quant_pre_process(files["fp32"], prepared, skip_symbolic_shape=True)
    quantize_static(
        prepared, files["int8"], Photos(pixels), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip
    return files


def _maker(file: Path, threads: int) -> Callable[[], Answers]:
    def make() -> Answers:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        return lambda pixels: session.run(None, {"pixels": pixels})[0]

    return make


if __name__ == "__main__":
    main()
