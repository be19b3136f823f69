"""Podium's TorchServe handler: one class over plain functions, as TorchServe wants it.

inference batch -> requests -> images -> (read) -> pixels -> (classify) -> probabilities -> an answer to each request
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

from inference.classifier import Classifier
from inference.images.pixels import Pixels
from inference.images.readers import Readers
from serving.answers import Context, Refusal, best_classes, doubt
from serving.metrics import report, report_engine
from serving.requests import Asked, BadRequest, asked_in
from serving.settings import read_settings, readers_for, threads_for

logger = logging.getLogger(__name__)

Outcome = list[float] | Refusal  # probabilities (C), or why there are none


class PodiumHandler:
    """The model of one archive, in one TorchServe worker."""

    def initialize(self, context: Context) -> None:
        """TorchServe's call when a worker starts. What it raises is the reason in the log, and the worker dies."""
        properties = context.system_properties
        settings = read_settings(context.model_yaml_config.get("handler"))
        gpu = properties.get("gpu_id")
        self.classifier = Classifier.load(
            Path(str(properties["model_dir"])),
            engine=settings.engine,
            precision=None if settings.precision == "auto" else settings.precision,
            threads=threads_for(settings),
            gpu=int(str(gpu)) if gpu is not None else None,
            max_pixels=settings.max_pixels,
        )
        readers = readers_for(settings, gpu=gpu is not None)
        self.readers = Readers(self.classifier.read, threads=readers, seconds=settings.image_seconds)
        self.ahead = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        self.images_at_once = settings.images_at_once
        report_engine(context.metrics, self.classifier.facts)
        machine = self.classifier.machine
        logger.info("ready: %s on %s, threads: %d", self.classifier.facts, machine.device, machine.threads)

    def handle(self, requests: Sequence[Mapping[str, object]], context: Context) -> list[str | bytes]:
        """TorchServe's call for one inference batch: an answer to each request, in their order.

        A request without a readable image gets its own 4xx, an image among many its own entry; neighbours get their classes.
        """
        asked = [self._asked(request, context, index) for index, request in enumerate(requests)]
        good = [it for it in asked if isinstance(it, Asked)]
        outcomes, timings = self._outcomes([data for it in good for _, data in it.images])
        report(context.metrics, self.classifier.model.name, outcomes, timings)
        rest = iter(outcomes)
        return [
            self._refused(it, context, index)
            if isinstance(it, BadRequest)
            else self._answered(it, [next(rest) for _ in it.images], timings, context, index)
            for index, it in enumerate(asked)
        ]

    def _asked(self, request: Mapping[str, object], context: Context, index: int) -> Asked | BadRequest:
        try:
            asked = asked_in(request, context.get_all_request_header(index), len(self.classifier.classes))
        except BadRequest as problem:
            return problem
        explain = context.get_request_header(index, "explain") == "True"
        return BadRequest("One image is explained at a time.") if explain and asked.many else asked

    def _outcomes(self, images: Sequence[bytes]) -> tuple[list[Outcome], dict[str, Any]]:
        """What became of every image, and where the time went. While some are classified, the next ones are read."""
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

    def _classified(self, read: Sequence[Pixels | Refusal]) -> Iterator[Outcome]:
        pixels = [it for it in read if not isinstance(it, Refusal)]
        with self._healthy_gpu():
            rows = iter(self.classifier.classify(np.stack(pixels)).tolist() if pixels else ())
        return (it if isinstance(it, Refusal) else next(rows) for it in read)

    @contextmanager
    def _healthy_gpu(self) -> Iterator[None]:
        """End this worker where the GPU fails, and TorchServe starts another one.

        Pixels have one shape here, so it is never the image's fault; a broken CUDA context does not heal, and a worker that
        fails at once would be handed most of the images.
        """
        try:
            yield
        except RuntimeError:
            if self.classifier.machine.device.type != "cuda":
                raise
            logger.exception("the GPU failed: this worker ends")
            logging.shutdown()
            os._exit(1)

    def _answered(
        self, asked: Asked, outcomes: Sequence[Outcome], timings: Mapping[str, Any], context: Context, index: int
    ) -> str | bytes:
        if context.get_request_header(index, "explain") == "True" and not isinstance(outcomes[0], Refusal):
            return self._explained(asked.images[0][1], outcomes[0], context, index)
        facts = {"model": self.classifier.facts}
        if asked.many:
            answers = [
                {
                    "name": name,
                    "status": outcome.status if isinstance(outcome, Refusal) else 200,
                    **self._said(outcome, asked),
                }
                for (name, _), outcome in zip(asked.images, outcomes, strict=True)
            ]
            return _json(context, index, 200, {**facts, "timings": timings, "answers": answers})
        [outcome] = outcomes
        status = outcome.status if isinstance(outcome, Refusal) else 200
        return _json(context, index, status, {**facts, "timings": timings, **self._said(outcome, asked)})

    def _said(self, outcome: Outcome, asked: Asked) -> dict[str, Any]:
        if isinstance(outcome, Refusal):
            return outcome.document
        model = self.classifier.model
        return {
            "predictions": best_classes(model.classes, outcome, asked.top_k),
            "uncertain": doubt(max(outcome), model.uncertainty_threshold, model.target_accuracy),
        }

    def _refused(self, problem: BadRequest, context: Context, index: int) -> str:
        document = {"code": problem.code, "error": str(problem), "model": self.classifier.facts}
        return _json(context, index, problem.status, document)

    def _explained(self, data: bytes, probabilities: list[float], context: Context, index: int) -> str | bytes:
        from inference.heat_map import NotExplainable, explain

        best = int(np.argmax(probabilities))
        try:
            with self._healthy_gpu():
                picture = explain(self.classifier, self.classifier.read(data), best)
        except NotExplainable as problem:
            return self._refused(BadRequest(str(problem)), context, index)
        context.set_response_header(index, "content-type", "image/png")
        context.set_response_header(index, "x-label", quote(self.classifier.classes[best]))
        context.set_response_header(index, "x-probability", f"{probabilities[best]:.6f}")
        return picture


def _json(context: Context, index: int, status: int, document: Mapping[str, Any]) -> str:
    if status != 200:
        context.set_response_status(status, HTTPStatus(status).phrase, index)
    context.set_response_header(index, "content-type", "application/json")
    return json.dumps(document)
