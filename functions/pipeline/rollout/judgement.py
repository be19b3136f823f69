"""Whether a candidate is beyond what its rollout tolerates, and what is known of its agreement. No I/O."""

from __future__ import annotations

import math
from typing import Literal

from pipeline.rollout.state import Rollout
from pipeline.rollout.tally import StageTally

Limit = Literal["disagreement", "errors"]
LEAST_JUDGED = 10  # images: fewer say little, whatever they say
Z = 1.96  # 95 %


def interval(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share, Wilson's; 0 to 1 when nothing is known.

    https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval#Wilson_score_interval
    """
    if of == 0:
        return 0.0, 1.0
    share, room = hits / of, Z * Z / of
    middle, half = share + room / 2, Z * math.sqrt(share * (1 - share) / of + room / (4 * of))
    return max(0.0, (middle - half) / (1 + room)), min(1.0, (middle + half) / (1 + room))


def broken_limits(rollout: Rollout, tally: StageTally) -> dict[Limit, str]:
    """The limits that the candidate surely breaks: even the lower end of the interval lies above; each with a sentence."""
    asked = tally.compared + tally.errors
    found: dict[Limit, tuple[int, int, float, str]] = {
        "disagreement": (tally.disagreed, tally.compared, rollout.most_disagreement, "disagree with the current model"),
        "errors": (tally.errors, asked, rollout.most_errors, "were not answered by the candidate"),
    }
    return {
        limit: f"{hits} of {of} images {what}; {most:.0%} are allowed"
        for limit, (hits, of, most, what) in found.items()
        if of >= LEAST_JUDGED and interval(hits, of)[0] > most
    }
