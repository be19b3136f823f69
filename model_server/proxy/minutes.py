"""The metrics as one line a minute in the log, for those without Prometheus."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from proxy.metrics import Metrics

logger = logging.getLogger(__name__)

MINUTE_S = 60.0
COUNTERS = {"podium_images_total": "images", "podium_rejected_total": "rejected"}
MEANS = {
    "podium_batch_images": ("group_images", 1),
    "podium_queue_seconds": ("queue_ms", 1000),
    "podium_decode_seconds": ("decode_ms", 1000),
    "podium_forward_seconds": ("forward_ms", 1000),
}
Totals = Mapping[tuple[str, str], float]


class Minutes:
    """The log's line of metrics; each tells of what was answered since the one before."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._written = metrics.totals()

    async def write_each(self, minute_s: float = MINUTE_S) -> None:
        """Write a line each minute in which something was answered, until cancelled."""
        while True:
            await asyncio.sleep(minute_s)
            self.write()

    def write(self) -> None:
        """Write the line now; nothing if no image was answered since the last one."""
        before, self._written = self._written, self._metrics.totals()
        words = in_words(before, self._written)
        if words:
            logger.info("metrics: %s", words)


def in_words(before: Totals, now: Totals) -> str:
    """The images answered from one time to another, as `key=value ...`; empty if there were none.

    Means are of an image (queue_ms) or of a group for TorchServe (the others), and left out if no group was answered.
    """
    more = {key: value - before.get(key, 0.0) for key, value in sorted(now.items())}
    words = [
        f"{COUNTERS[name]}_{label}={count:.0f}" for (name, label), count in more.items() if name in COUNTERS and count
    ]
    for name, (word, factor) in MEANS.items():
        count = more[f"{name}_count", ""]
        if words and count:
            words.append(f"{word}={factor * more[f'{name}_sum', ''] / count:.2f}")
    return " ".join(words)
