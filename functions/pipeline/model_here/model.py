"""The model inside the function: the archive is fetched once in a process, verified, and computes on its CPU.

archive (S3) -> .mar -> files of its engine -> Classifier; images -> pixels (a process apart) -> probabilities -> answers
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import numpy as np
from aws_lambda_powertools.metrics import MetricUnit

from inference.answer import best_classes, doubt
from inference.archive.errors import ModelRefused
from inference.classifier import Classifier
from inference.images.apart import NoReader, ReaderApart
from inference.images.pixels import Pixels
from inference.images.reading import UnreadableImage
from pipeline.contracts import LabelProbability, ModelFacts, ServerAnswer
from pipeline.errors import Answer, ImageRejected, ModelUnavailable
from pipeline.model_here.loading import load
from pipeline.telemetry import metrics

IMAGES_AT_ONCE = 20  # the queue mapping's BatchSize
CLASSIFIED_TOGETHER = 4  # while they are, the next ones are read
TOP = 3
IMAGE_S = 10.0  # of a processor to read one image, as in the model server
FAILED_FOR_S = 30.0  # then it is tried again: S3 may have had a bad minute, and a download costs seconds


class ModelHere:
    """The model of one archive, in this process; threads may share it."""

    def __init__(
        self,
        fetch: Callable[[Path], Path],
        *,
        one_at_once: Lock | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`fetch` writes the archive into a folder and returns its path. Models that share `one_at_once` take turns."""
        self._fetch = fetch
        self._now_s = now_s
        self._lock = one_at_once or Lock()
        self._loaded: tuple[Classifier, ReaderApart] | None = None
        self._failed: tuple[float, str] | None = None

    def images_at_once(self) -> int:
        """How many images it takes at once."""
        return IMAGES_AT_ONCE

    def ask(self, images: Sequence[bytes], *, budget_s: float, model: ModelFacts | None = None) -> list[Answer]:
        """The answers in the order of the images. ModelUnavailable: the archive does not load, or is not that `model`.

        An image for which no time is left is answered with ModelUnavailable.
        """
        until_s = self._now_s() + budget_s
        if not self._lock.acquire(timeout=max(0.0, budget_s)):
            raise ModelUnavailable("no time was left: the function's model was busy with other images")
        try:
            classifier, reader = self._loaded = self._loaded or self._load()
            facts = ModelFacts.model_validate(classifier.facts)
            if model is not None and model.ref != facts.ref:
                raise ModelUnavailable(
                    f"{model.ref} was asked for, and this stack's model is {facts.ref}: deploy that one, or ask for this."
                )
            return list(self._answers(classifier, reader, images, facts, until_s))
        finally:
            self._lock.release()

    def close(self) -> None:
        """Let go of the model, and of the process that reads for it."""
        with self._lock:
            if self._loaded:
                self._loaded[1].close()
            self._loaded = None

    def _load(self) -> tuple[Classifier, ReaderApart]:
        if self._failed and self._now_s() - self._failed[0] < FAILED_FOR_S:
            raise ModelUnavailable(self._failed[1])
        began_s = self._now_s()
        try:
            classifier = load(self._fetch)
        except ModelRefused as refused:
            self._failed = (self._now_s(), f"the model's archive cannot be used. {refused}")
            raise ModelUnavailable(self._failed[1]) from refused
        except ModelUnavailable as problem:
            self._failed = (self._now_s(), str(problem))
            raise
        reader = ReaderApart(classifier.transform, seconds=IMAGE_S, max_pixels=classifier.max_pixels)
        loading_ms = 1000 * (self._now_s() - began_s)
        metrics.add_metric(name="ModelLoadLatency", unit=MetricUnit.Milliseconds, value=loading_ms)
        return classifier, reader

    def _answers(
        self, classifier: Classifier, reader: ReaderApart, images: Sequence[bytes], facts: ModelFacts, until_s: float
    ) -> Iterator[Answer]:
        """While some images are classified, the next ones are read."""
        steps = [images[at : at + CLASSIFIED_TOGETHER] for at in range(0, len(images), CLASSIFIED_TOGETHER)]
        with ThreadPoolExecutor(1, thread_name_prefix="read") as ahead:
            readings = [ahead.submit(self._read, reader, step, until_s) for step in steps]
            for reading in readings:
                yield from _answered(classifier, reading.result(), facts)

    def _read(
        self, reader: ReaderApart, images: Sequence[bytes], until_s: float
    ) -> list[Pixels | UnreadableImage | ModelUnavailable]:
        if self._now_s() > until_s:
            return [ModelUnavailable("no time was left to classify it") for _ in images]
        try:
            return list(reader.read(images))
        except NoReader as problem:
            return [ModelUnavailable(str(problem)) for _ in images]


def _answered(
    classifier: Classifier, read: Sequence[Pixels | UnreadableImage | ModelUnavailable], facts: ModelFacts
) -> Iterator[Answer]:
    pixels = [it for it in read if isinstance(it, np.ndarray)]
    rows = iter(classifier.classify(np.stack(pixels)).tolist() if pixels else ())
    for it in read:
        if isinstance(it, UnreadableImage):
            yield ImageRejected(it.code, it.reason, facts)
        elif isinstance(it, ModelUnavailable):
            yield it
        else:
            yield _answer(classifier, next(rows), facts)


def _answer(classifier: Classifier, probabilities: list[float], facts: ModelFacts) -> ServerAnswer:
    model = classifier.model
    best = best_classes(model.classes, probabilities, TOP)
    return ServerAnswer(
        model=facts,
        predictions=tuple(LabelProbability.model_validate(it) for it in best),
        uncertain=doubt(max(probabilities), model.uncertainty_threshold, model.target_accuracy),
    )
