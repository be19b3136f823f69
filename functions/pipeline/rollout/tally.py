"""What was counted in one stage of a rollout: agreement, confidence and latency of both models, and the candidate's errors. No I/O.

Every invocation adds its counts, and one that is repeated adds them again: about one image in thousands counts twice.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.rollout.comparison import Compared

Side = Literal["current", "candidate"]
SIDES: tuple[Side, Side] = ("current", "candidate")
BANDS = (0.5, 0.8, 0.95)  # of the confidence: below 50 %, to 80 %, to 95 %, above
MILLION = 1_000_000
MS_RATIO = 1.2  # from one bound of the latencies' histogram to the next: a percentile is right within 20 %
_MS_PREFIX = "_ms_"


@dataclass(frozen=True)
class StageTally:
    """The counts of one stage."""

    counts: Counter[str] = field(default_factory=Counter)
    last_error: str | None = None

    @classmethod
    def read(cls, item: Mapping[str, Any]) -> StageTally:
        """The tally in an item of the ledger."""
        counts = Counter({name: int(value["N"]) for name, value in item.items() if "N" in value})
        del counts["expires_at"]
        return cls(counts, item.get("last_error", {}).get("S"))

    @property
    def compared(self) -> int:
        """Images about which both models said something."""
        return self.counts["compared"]

    @property
    def disagreed(self) -> int:
        """Those of them whose best classes differ, or of which one model rejects what the other classifies."""
        return self.compared - self.counts["same_top1"]

    @property
    def errors(self) -> int:
        """Images that the candidate did not answer, while the current model did; answers of another model among them."""
        return self.counts["errors"]

    def mean_confidence(self, side: Side) -> float | None:
        """Of the images that both classified; None without any."""
        return self._mean(f"{side}_confidence_ppm", self.counts["both_classified"], MILLION)

    def uncertain(self, side: Side) -> float | None:
        """The share of those images about which the model itself is in doubt."""
        return self._mean(f"{side}_uncertain", self.counts["both_classified"], 1)

    def bands(self, side: Side) -> tuple[int, ...]:
        """How many images lie in each band of the confidence, the lowest first."""
        return tuple(self.counts[f"{side}_band_{nth}"] for nth in range(len(BANDS) + 1))

    def latency_ms(self, side: Side, share: float) -> float | None:
        """The time of a request within which this share of the images was answered; None without any."""
        prefix = f"{side}{_MS_PREFIX}"
        buckets = sorted((int(name[len(prefix) :]), n) for name, n in self.counts.items() if name.startswith(prefix))
        wanted = share * sum(n for _, n in buckets)
        seen = 0
        for bucket, n in buckets:
            seen += n
            if seen >= wanted:
                return MS_RATIO**bucket
        return None

    def _mean(self, name: str, among: int, scale: float) -> float | None:
        return self.counts[name] / scale / among if among else None


def counts_of(compared: Compared) -> Counter[str]:
    """What one compared image adds."""
    counts = Counter({"compared": 1, "same_top1": int(compared.same_top1), "in_top3": int(compared.in_top3)})
    sides = dict(zip(SIDES, (compared.current, compared.candidate), strict=True))
    for side, one in sides.items():
        counts[f"{side}{_MS_PREFIX}{_bucket(one.request_ms)}"] += 1
    if all(one.predictions for one in sides.values()):
        counts["both_classified"] += 1
        for side, one in sides.items():
            confidence = one.predictions[0].probability
            counts[f"{side}_confidence_ppm"] += round(confidence * MILLION)
            counts[f"{side}_uncertain"] += one.uncertain is not None
            counts[f"{side}_band_{sum(confidence >= bound for bound in BANDS)}"] += 1
    return counts


def _bucket(ms: float) -> int:
    return max(0, math.ceil(math.log(max(ms, 1.0), MS_RATIO)))
