"""Podium's TorchServe handler: set up, read, classify, answer. One class, as TorchServe wants it.

request -> bytes -> RGB picture -> tensor (N, 3, H, W) -> probabilities (N, classes) -> JSON
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from imagefile.content import content_sha256
from imagefile.reading import UnreadableImage, read_image
from model_file import ModelRefused, read_model_file
from network import load_network, load_transform
from serving import Context, Refusal, best_classes, doubt, image_bytes

logger = logging.getLogger(__name__)


class PodiumHandler:
    """The model of one archive, in one TorchServe worker."""

    def initialize(self, context: Context) -> None:
        """TorchServe's call when a worker starts. What it raises is the reason in the log, and the worker dies."""
        properties, handler = context.system_properties, context.model_yaml_config.get("handler")
        threads = handler.get("threads") if isinstance(handler, Mapping) else None
        if not isinstance(threads, int) or threads < 1:
            raise ModelRefused(f"model-config.yaml: handler: threads is {threads!r}, expected 1 or more.")
        gpu = properties.get("gpu_id")
        device = torch.device(f"cuda:{gpu}" if gpu is not None and torch.cuda.is_available() else "cpu")
        self.set_up(Path(str(properties["model_dir"])), threads=threads, device=device)

    def handle(self, requests: Sequence[Mapping[str, object]], context: Context) -> list[str]:
        """TorchServe's call for one inference batch: an answer to each request, in their order.

        A request without a readable image gets its own 4xx; its neighbours get their classes.
        """
        outcomes = list(self.readers.map(self.read, requests))
        tensors = [outcome for outcome in outcomes if isinstance(outcome, Tensor)]
        rows = iter(self.classify(torch.stack(tensors)) if tensors else ())
        answers = []
        for index, outcome in enumerate(outcomes):
            if isinstance(outcome, Refusal):
                context.set_response_status(outcome.status, HTTPStatus(outcome.status).phrase, index)
            context.set_response_content_type(index, "application/json")
            answers.append(self.answer(outcome if isinstance(outcome, Refusal) else next(rows)))
        return answers

    def set_up(self, folder: Path, *, threads: int, device: torch.device) -> None:
        """Load the unpacked archive in `folder`; raises ModelRefused where it is not whole or not consistent.

        `threads` is both how many images are decoded at once and how many threads torch computes on.
        """
        torch.set_num_threads(threads)
        self.readers = ThreadPoolExecutor(threads, thread_name_prefix="read")
        self.device = device
        self.model = read_model_file(folder)
        self.transform = load_transform(self.model)
        self.network = load_network(folder, self.model, device)
        sha256 = content_sha256(folder)
        self.facts = {"name": self.model.name, "version": self.model.version, "archive_sha256": sha256}
        self._try_out()
        logger.info("ready: %s, %s, on %s, threads: %d", self.facts, self.model.architecture, device, threads)

    def read(self, request: Mapping[str, object]) -> Tensor | Refusal:
        """The image of one request as a tensor (3, H, W), float32, normalised; or why there is none."""
        data = image_bytes(request)
        if not data:
            return Refusal("empty", "The request holds no image. Send it as the body, or as the form field `data`.")
        try:
            return self.transform(read_image(data))
        except UnreadableImage as unreadable:
            return Refusal(unreadable.code, unreadable.reason)

    def classify(self, images: Tensor) -> list[list[float]]:
        """Probabilities (N, classes) of images (N, 3, H, W): the softmax of the logits over the temperature."""
        with torch.inference_mode():
            logits = self.network(images.to(self.device).contiguous(memory_format=torch.channels_last))
            probabilities: list[list[float]] = (logits.float() / self.model.temperature).softmax(dim=1).tolist()
        return probabilities

    def answer(self, outcome: Sequence[float] | Refusal) -> str:
        """The body of one answer, as JSON: the best classes, or the refusal."""
        if isinstance(outcome, Refusal):
            return json.dumps({"code": outcome.code, "error": outcome.error, "model": self.facts})
        sentence = doubt(max(outcome), self.model.uncertainty_threshold, self.model.target_accuracy)
        return json.dumps(
            {"model": self.facts, "predictions": best_classes(self.model.classes, outcome), "uncertain": sentence}
        )

    def _try_out(self) -> None:
        """Classify one black image: the first request finds warm code, and a broken network is refused, not served."""
        try:
            row = self.classify(self.transform(Image.new("RGB", (8, 8))).unsqueeze(0))[0]
        except (RuntimeError, AssertionError) as error:
            raise ModelRefused(
                f"{self.model.architecture} cannot take its own preprocessing's size: {error}"
            ) from error
        if len(row) != len(self.model.classes) or not all(0.0 <= probability <= 1.0 for probability in row):
            raise ModelRefused(
                f"{self.model.architecture} answers {len(row)} numbers that are no probabilities of "
                f"{len(self.model.classes)} classes: {row[:5]}. Train or package the model again."
            )
