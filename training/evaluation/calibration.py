"""Calibration: the temperature, and the threshold under which a prediction is uncertain."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from training.model.model_file import Uncertainty

COLDEST, HOTTEST = 0.05, 20.0  # if every prediction is right, the best temperature is 0: keep it a number to divide by


def temperature_scale(logits: Tensor, labels: Tensor) -> float:
    """Temperature in [0.05, 20] that minimises the cross-entropy of logits / T; logits (N, C), labels (N,) int64.

    The loss is convex in 1 / T, so L-BFGS finds the one minimum.
    Guo et al. 2017, section 4.2: https://arxiv.org/abs/1706.04599
    """
    exact = logits.double()
    inverse = torch.ones((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([inverse], max_iter=100, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = cross_entropy(exact * inverse, labels)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return 1 / min(max(inverse.item(), 1 / HOTTEST), 1 / COLDEST)


def uncertainty_threshold(probabilities: Tensor, labels: Tensor, *, target_accuracy: float) -> Uncertainty:
    """The smallest best-probability at which the photos at or above it reach `target_accuracy`.

    Probabilities (N, C), calibrated. If no threshold reaches the target, the threshold is 1 and the coverage 0.
    Photos with equal best-probability are accepted together or not at all.
    """
    best, answers = probabilities.max(dim=1)
    best, order = best.sort(descending=True)
    accepted = torch.arange(1, len(best) + 1)
    accuracy = (answers == labels)[order].double().cumsum(0) / accepted
    last_of_equals = torch.cat([best[1:] != best[:-1], torch.tensor([True])])
    reaching = (last_of_equals & (accuracy >= target_accuracy)).nonzero().flatten()
    if len(reaching) == 0:
        return Uncertainty(threshold=1.0, target_accuracy=target_accuracy, coverage=0.0)
    widest = int(reaching[-1])
    return Uncertainty(
        threshold=best[widest].item(), target_accuracy=target_accuracy, coverage=(widest + 1) / len(best)
    )
