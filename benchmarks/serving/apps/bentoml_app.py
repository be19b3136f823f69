"""BentoML: adaptive batching in two workers; photos as its clients send files, in a form."""

# No `from __future__ import annotations`: BentoML reads the annotations as they are.
from pathlib import Path

import bentoml

from benchmarks.serving.apps.model import MAX_BATCH, WORKERS, load_warm
from benchmarks.serving.apps.model import classify as classify_photos

MAX_LATENCY_MS = 60_000  # BentoML refuses a request that takes longer; it does not wait that long to fill a batch


@bentoml.service(
    workers=WORKERS, traffic={"timeout": 60}, metrics={"enabled": False}, logging={"access": {"enabled": False}}
)
class Classify:
    """One worker."""

    def __init__(self) -> None:
        self.model = load_warm()

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH, max_latency_ms=MAX_LATENCY_MS)  # type: ignore[untyped-decorator]
    def predict(self, images: list[Path]) -> list[dict]:  # type: ignore[type-arg]
        return classify_photos(self.model, [image.read_bytes() for image in images])
