"""A packaged model, ready to classify: plain Python, without TorchServe and without HTTP.

archive folder -> model.json, golden pictures -> engine -> (bytes -> pixels -> probabilities)
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from inference.archive.digest import content_sha256
from inference.archive.golden_pictures import read_golden
from inference.archive.model_file import ModelFile, read_model_file
from inference.engines.choice import EngineChoice, EngineName, choose, choose_for_all
from inference.engines.hardware import hardware
from inference.engines.seam import Machine, Precision
from inference.images.pixels import EvalTransform, Pixels, Resize, model_input, pillow_resize
from inference.images.reading import MAX_PIXELS

Probabilities = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Classifier:
    """The model of one archive, in one process."""

    folder: Path
    model: ModelFile
    transform: EvalTransform
    machine: Machine
    chosen: EngineChoice
    sha256: str  # of the archive's content
    max_pixels: int = MAX_PIXELS
    resize: Resize = pillow_resize

    @classmethod
    def load(
        cls, folder: Path, *, engine: EngineName = "auto", precision: Precision | None = None, threads: int = 1,
        gpu: int | None = None, max_pixels: int = MAX_PIXELS, resize: Resize = pillow_resize,
        choices: Path | None = None, archive_sha256: str | None = None, reference: bool = True,
    ) -> Classifier:  # fmt: skip
        """Load the unpacked archive in `folder`. Raises ModelRefused if it is not whole or not consistent.

        `threads` are for one inference; `gpu` is CUDA's number, None means the CPU. `resize` may be torch's
        (`engines/torch_resize.py`), which is faster; Pillow needs no torch. `choices` is the folder in which the processes
        of one server record the engine that all of them use; without it, this process chooses for itself.
        `archive_sha256` is the content's digest if the folder holds a part of the archive only. Without `reference`, torch
        does not take the place of an engine that cannot serve.
        """
        machine = Machine("cpu" if gpu is None else f"cuda:{gpu}", threads)
        model = read_model_file(folder)
        transform = EvalTransform.of(model.preprocessing)
        golden = read_golden(folder, transform, len(model.classes))
        sha256 = archive_sha256 or content_sha256(folder)
        if choices is None:
            chosen = choose(folder, model, golden, machine, engine=engine, precision=precision, reference=reference)
        else:
            about: dict[str, Any] = {"model": f"{model.name}@{model.version}", "archive_sha256": sha256}
            about |= {"configured": [engine, precision], "hardware": hardware(machine)}
            record = choices / f"{hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()}.json"
            chosen = choose_for_all(record, about, folder, model, golden, machine, engine=engine, precision=precision)
        return cls(folder, model, transform, machine, chosen, sha256, max_pixels, resize)

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels, in the order of the probabilities."""
        return self.model.classes

    @property
    def engine(self) -> str:
        """What computes: `openvino-bf16`."""
        return self.chosen.engine.name

    @property
    def facts(self) -> dict[str, Any]:
        """Which model answers, as every answer says it."""
        facts = {"name": self.model.name, "version": self.model.version, "archive_sha256": self.sha256}
        fallback = {"engine_fallback": self.chosen.fallback} if self.chosen.fallback else {}
        return {**facts, "engine": self.engine, **fallback}

    def read(self, data: bytes) -> Pixels:
        """The picture in `data` as the model sees it, (H, W, 3) uint8. Raises UnreadableImage if there is none."""
        return model_input(data, self.transform, max_pixels=self.max_pixels, resize=self.resize)

    def classify(self, pixels: Pixels) -> Probabilities:
        """Probabilities (N, C), float32, of pictures (N, H, W, 3) uint8: the softmax of the logits over the temperature."""
        logits = self.chosen.engine.logits(np.ascontiguousarray(pixels)).astype(np.float64) / self.model.temperature
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return cast(Probabilities, (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32))
