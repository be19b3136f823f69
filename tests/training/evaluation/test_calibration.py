"""Temperature and threshold do what they promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from torch import Tensor

pytestmark = pytest.mark.torch


def answers(seed: int, *, photos: int = 400, classes: int = 5, sharpness: float = 1.0) -> tuple[Tensor, Tensor]:
    """Logits that are honest but for their sharpness: labels are drawn from the softmax of logits / sharpness."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    honest = 2 * torch.randn(photos, classes, generator=generator)
    labels = torch.multinomial(honest.softmax(dim=1), 1, generator=generator).flatten()
    return honest * sharpness, labels


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), sharpness=st.floats(0.2, 5.0))
def test_the_temperature_minimises_the_loss(seed: int, sharpness: float) -> None:
    from torch.nn.functional import cross_entropy

    from training.evaluation.calibration import temperature_scale

    logits, labels = answers(seed, sharpness=sharpness)
    temperature = temperature_scale(logits, labels)
    least = cross_entropy(logits.double() / temperature, labels)
    for other in (0.8, 0.95, 1.05, 1.25):
        assert cross_entropy(logits.double() / (temperature * other), labels) >= least


def test_the_temperature_finds_how_much_too_sharp_logits_are() -> None:
    from training.evaluation.calibration import temperature_scale

    logits, labels = answers(1, photos=20_000, sharpness=2.5)
    assert temperature_scale(logits, labels) == pytest.approx(2.5, rel=0.05)


@pytest.mark.parametrize("right", [True, False])
def test_the_temperature_stays_a_number_to_divide_by_if_every_prediction_is_alike(right: bool) -> None:
    import torch

    from training.evaluation.calibration import COLDEST, HOTTEST, temperature_scale

    labels = torch.arange(3).repeat(4)
    logits = torch.eye(3)[labels] * (8 if right else -8)
    assert COLDEST <= temperature_scale(logits, labels) <= HOTTEST


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), photos=st.integers(1, 60), target=st.floats(0.3, 1.0))
def test_the_threshold_is_the_smallest_that_reaches_the_target(seed: int, photos: int, target: float) -> None:
    from training.evaluation.calibration import uncertainty_threshold

    logits, labels = answers(seed, photos=photos)
    probabilities = (logits.softmax(dim=1) * 20).round() / 20  # coarse, so that some are equal
    found = uncertainty_threshold(probabilities, labels, target_accuracy=target)
    best, chosen = probabilities.max(dim=1)
    right = chosen == labels
    reached = [value for value in best.tolist() if right[best >= value].double().mean().item() >= target]
    assert found.threshold == (min(reached) if reached else 1.0)
    assert found.coverage == pytest.approx((best >= found.threshold).double().mean().item() if reached else 0.0)
