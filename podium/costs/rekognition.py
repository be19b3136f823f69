"""What Amazon Rekognition's DetectLabels would cost: list price by tiers, for its labels and not a person's own classes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from podium.costs.prices import Tier


def rekognition_dollars(images: float, tiers: Sequence[Tier]) -> float:
    """Dollars of a month with so many images, one call each."""
    left, dollars = images, 0.0
    for tier in tiers:
        taken = min(left, math.inf if tier.images is None else tier.images)
        dollars += taken * tier.each
        left -= taken
    return dollars
