"""When a candidate is beyond its limits: surely, and not by chance."""

from __future__ import annotations

from collections import Counter

import pytest

from pipeline.contracts import LabelProbability
from pipeline.rollout.comparison import Compared, Side
from pipeline.rollout.judgement import broken_limits, interval
from pipeline.rollout.tally import SIDES, StageTally, counts_of
from tests.functions.rollout.test_state import rollout


def tally(compared: int, disagreed: int = 0, errors: int = 0) -> StageTally:
    return StageTally(Counter(compared=compared, same_top1=compared - disagreed, errors=errors))


@pytest.mark.parametrize(
    ("seen", "broken"),
    [
        (tally(0), set()),
        (tally(9, disagreed=9), set()),
        (tally(10, disagreed=10), {"disagreement"}),
        (tally(20, disagreed=4), set()),
        (tally(20, disagreed=10), {"disagreement"}),
        (tally(10_000, disagreed=2_000), set()),
        (tally(10_000, disagreed=2_200), {"disagreement"}),
        (tally(0, errors=9), set()),
        (tally(0, errors=10), {"errors"}),
        (tally(99, errors=1), set()),
        (tally(90, errors=10), {"errors"}),
        (tally(10, disagreed=10, errors=10), {"disagreement", "errors"}),
    ],
)
def test_a_limit_is_broken_when_even_the_lower_end_of_the_interval_is_beyond(
    seen: StageTally, broken: set[str]
) -> None:
    assert broken_limits(rollout(), seen).keys() == broken


def test_a_sentence_says_how_many_and_how_many_are_allowed() -> None:
    [sentence] = broken_limits(rollout(), tally(20, disagreed=15)).values()
    assert sentence == "15 of 20 images disagree with the current model; 20% are allowed"


def test_the_interval_is_wilsons() -> None:
    """Against https://www.statsmodels.org, proportion_confint(count, nobs, method="wilson")."""
    assert interval(9, 10) == pytest.approx((0.59585, 0.98212), abs=1e-4)
    assert interval(0, 10) == pytest.approx((0.0, 0.27753), abs=1e-4)
    assert interval(0, 0) == (0.0, 1.0)


def side(*labels: str, probability: float = 0.6, ms: float = 10.0, rejected: str | None = None) -> Side:
    predictions = tuple(LabelProbability(label=it, probability=probability / 2**n) for n, it in enumerate(labels))
    return Side(predictions=predictions, request_ms=ms, rejected=rejected)


def compared(current: Side, candidate: Side) -> Compared:
    return Compared(
        image="s3://b/k", current_model="balls@1.0", candidate_model="balls@2.0", current=current, candidate=candidate
    )


@pytest.mark.parametrize(
    ("current", "candidate", "same", "in_top3"),
    [
        (side("a", "b"), side("a", "c"), True, True),
        (side("a", "b"), side("b", "a"), False, True),
        (side("a", "b"), side("c", "d"), False, False),
        (side("a"), side(rejected="unreadable"), False, False),
        (side(rejected="unreadable"), side("a"), False, False),
        (side(rejected="unreadable"), side(rejected="too_slow"), True, True),
    ],
)
def test_two_answers_agree_by_their_best_class_or_by_both_rejecting(
    current: Side, candidate: Side, same: bool, in_top3: bool
) -> None:
    both = compared(current, candidate)
    assert (both.same_top1, both.in_top3) == (same, in_top3)


def test_the_tally_has_both_models_confidence_bands_and_latency() -> None:
    counts: Counter[str] = Counter()
    for n in range(100):
        slow = 1000.0 if n >= 90 else 20.0
        counts += counts_of(compared(side("a", probability=0.9), side("a", probability=0.4, ms=slow)))
    seen = StageTally(counts)
    assert [seen.mean_confidence(it) for it in SIDES] == pytest.approx([0.9, 0.4])
    assert [seen.bands(it) for it in SIDES] == [(0, 0, 100, 0), (100, 0, 0, 0)]
    assert seen.latency_ms("candidate", 0.5) == pytest.approx(20, rel=0.2)
    assert seen.latency_ms("candidate", 0.95) == pytest.approx(1000, rel=0.2)
    assert StageTally().latency_ms("current", 0.5) is None
    assert StageTally().mean_confidence("current") is None
