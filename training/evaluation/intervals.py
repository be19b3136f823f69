"""95 % confidence intervals of shares."""

from __future__ import annotations

from scipy.stats import binomtest

from training.evaluation.records import Interval


def share(successes: int, count: int) -> Interval:
    """A share of `count` trials with Wilson's interval (1927), which is honest near 0 and 1, unlike Wald's."""
    bounds = binomtest(successes, count).proportion_ci(0.95, method="wilson")
    return Interval(value=successes / count, low=float(bounds.low), high=float(bounds.high))
