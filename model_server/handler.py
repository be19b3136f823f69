"""Podium's TorchServe handler: one class over plain functions, as TorchServe wants it.

inference batch -> requests -> images -> (read) -> pixels -> (classify) -> probabilities -> a response to each request
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import torch

from inference.answer import best_classes, doubt
from inference.classifier import Classifier
from inference.engines.torch_resize import torch_resize
from inference.images.pixels import Pixels
from inference.images.readers import Readers
from inference.images.reading import UnreadableImage
from serving.choices import choices_folder
from serving.context import Context
from serving.metrics import report, report_engine
from serving.requests import BadRequest, ImageRequest, parse_request
from serving.responses import rejection_document, rejection_status
from serving.settings import read_settings, readers_for, threads_for

logger = logging.getLogger(__name__)

Outcome = list[float] | UnreadableImage  # probabilities (C), or why there are none


class PodiumHandler:
    """The model of one archive, in one TorchServe worker."""

    def initialize(self, context: Context) -> None:
        """TorchServe's call when a worker starts. What it raises is the reason in the log, and the worker dies."""
        properties = context.system_properties
        settings = read_settings(context.model_yaml_config.get("handler"))
        gpu = properties.get("gpu_id")
        torch.set_num_threads(threads_for(settings))  # it resizes, whatever engine computes
        folder = Path(str(properties["model_dir"]))
        self.classifier = Classifier.load(
            folder,
            engine=settings.engine,
            precision=None if settings.precision == "auto" else settings.precision,
            threads=threads_for(settings),
            gpu=int(str(gpu)) if gpu is not None else None,
            max_pixels=settings.max_pixels,
            resize=torch_resize,  # TorchServe has imported torch already
            choices=choices_folder(folder),
        )
        readers = readers_for(settings, gpu=gpu is not None)
        self.readers = Readers(self.classifier.read, threads=readers, seconds=settings.image_seconds)
        self.ahead = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        self.images_at_once = settings.images_at_once
        report_engine(context.metrics, self.classifier.facts)
        machine = self.classifier.machine
        logger.info("ready: %s on %s, threads: %d", self.classifier.facts, machine.device, machine.threads)

    def handle(self, requests: Sequence[Mapping[str, object]], context: Context) -> list[str | bytes]:
        """TorchServe's call for one inference batch: a response to each request, in their order.

        A request without a readable image gets its own 4xx, an image among many its own entry; neighbours get their classes.
        """
        parsed = [self._parsed(request, context, index) for index, request in enumerate(requests)]
        good = [it for it in parsed if isinstance(it, ImageRequest)]
        outcomes, timings = self._outcomes([data for it in good for _, data in it.images])
        report(context.metrics, self.classifier.model.name, outcomes, timings)
        rest = iter(outcomes)
        return [
            self._bad_request(it, context, index)
            if isinstance(it, BadRequest)
            else self._response(it, [next(rest) for _ in it.images], timings, context, index)
            for index, it in enumerate(parsed)
        ]

    def _parsed(self, request: Mapping[str, object], context: Context, index: int) -> ImageRequest | BadRequest:
        try:
            return parse_request(request, context.get_all_request_header(index), len(self.classifier.classes))
        except BadRequest as problem:
            return problem

    def _outcomes(self, images: Sequence[bytes]) -> tuple[list[Outcome], dict[str, Any]]:
        """The outcome of every image, and the time it took. While some are classified, the next ones are read."""
        outcomes: list[Outcome] = []
        decode_s = forward_s = 0.0
        reading = self.ahead.submit(self.readers.read, images[: self.images_at_once])
        for end in range(self.images_at_once, len(images) + self.images_at_once, self.images_at_once):
            began = time.perf_counter()
            read = reading.result()
            decode_s += time.perf_counter() - began
            reading = self.ahead.submit(self.readers.read, images[end : end + self.images_at_once])
            began = time.perf_counter()
            outcomes += self._classified(read)
            forward_s += time.perf_counter() - began
        timings = {
            "images": len(images),
            "decode_ms": round(1000 * decode_s, 2),
            "forward_ms": round(1000 * forward_s, 2),
        }
        return outcomes, timings

    def _classified(self, read: Sequence[Pixels | UnreadableImage]) -> Iterator[Outcome]:
        pixels = [it for it in read if not isinstance(it, UnreadableImage)]
        with self._healthy_gpu():
            rows = iter(self.classifier.classify(np.stack(pixels)).tolist() if pixels else ())
        return (it if isinstance(it, UnreadableImage) else next(rows) for it in read)

    @contextmanager
    def _healthy_gpu(self) -> Iterator[None]:
        """End this worker if the GPU fails, and TorchServe starts another one.

        Pixels have one shape here, so it is never the image's fault; a broken CUDA context does not heal, and a worker that
        fails at once would be handed most of the images.
        """
        try:
            yield
        except RuntimeError:
            if not self.classifier.machine.has_gpu:
                raise
            logger.exception("the GPU failed: this worker ends")
            logging.shutdown()
            os._exit(1)

    def _response(
        self,
        request: ImageRequest,
        outcomes: Sequence[Outcome],
        timings: Mapping[str, Any],
        context: Context,
        index: int,
    ) -> str | bytes:
        first = outcomes[0]
        if request.explain and not isinstance(first, UnreadableImage):
            return self._heat_map(request.images[0][1], first, context, index)
        shared = {"model": self.classifier.facts, "timings": timings}
        if request.many:
            answers = [
                {"name": name, "status": _status(outcome), **self._document(outcome, request.top_k)}
                for (name, _), outcome in zip(request.images, outcomes, strict=True)
            ]
            return _json(context, index, 200, {**shared, "answers": answers})
        return _json(context, index, _status(first), {**shared, **self._document(first, request.top_k)})

    def _document(self, outcome: Outcome, top_k: int) -> dict[str, Any]:
        if isinstance(outcome, UnreadableImage):
            return rejection_document(outcome)
        model = self.classifier.model
        return {
            "predictions": best_classes(model.classes, outcome, top_k),
            "uncertain": doubt(max(outcome), model.uncertainty_threshold, model.target_accuracy),
        }

    def _bad_request(self, problem: BadRequest, context: Context, index: int) -> str:
        document = {"code": problem.code, "error": str(problem), "model": self.classifier.facts}
        return _json(context, index, problem.status, document)

    def _heat_map(self, data: bytes, probabilities: list[float], context: Context, index: int) -> str | bytes:
        from inference.heat_map import NotExplainable, explain

        best = int(np.argmax(probabilities))
        try:
            with self._healthy_gpu():
                picture = explain(self.classifier, self.classifier.read(data), best)
        except NotExplainable as problem:
            return self._bad_request(BadRequest(str(problem)), context, index)
        context.set_response_header(index, "content-type", "image/png")
        context.set_response_header(index, "x-label", quote(self.classifier.classes[best]))
        context.set_response_header(index, "x-probability", f"{probabilities[best]:.6f}")
        context.set_response_header(index, "x-engine", self.classifier.engine)
        return picture


def _status(outcome: Outcome) -> int:
    return rejection_status(outcome) if isinstance(outcome, UnreadableImage) else 200


def _json(context: Context, index: int, status: int, document: Mapping[str, Any]) -> str:
    if status != 200:
        context.set_response_status(status, HTTPStatus(status).phrase, index)
    context.set_response_header(index, "content-type", "application/json")
    return json.dumps(document)
