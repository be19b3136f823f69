"""A loss that is no number any more: which settings may be the cause, and what to do."""

from __future__ import annotations

from collections.abc import Iterator

from training.errors import TrainingError
from training.settings.settled import Settled

USUAL_GAMMA = 5.0  # the largest that Lin et al. 2017 tried


def diverged(what: str, settings: Settled) -> TrainingError:
    """The error that says `what` happened, and names each setting that could be mended."""
    ways = ", or ".join(_ways(settings))
    return TrainingError(f"{what}. {ways[0].upper()}{ways[1:]}.")


def _ways(settings: Settled) -> Iterator[str]:
    """What to do, the likeliest first; what is set so already is not among it."""
    if min(1.0, settings.lr) * settings.weight_decay > 1:  # of lr up to 1: a step's decay is larger than the weight
        yield f"lower weight_decay (it is {settings.weight_decay:g})"
    if settings.focal_gamma > USUAL_GAMMA:
        yield f"lower focal_gamma (it is {settings.focal_gamma:g})"
    yield f"lower lr (it is {settings.lr:g})"
    if settings.clip_grad is None:
        yield "set clip_grad=1"
    if settings.precision != "fp32":
        yield "set precision=fp32"
