"""The learning rate as a function of the step only, so that a resumed training has the same."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi

from training.settings.settled import Settled

ONECYCLE_RISE = 0.3  # share of the updates in which the rate rises, from a 25th: torch's OneCycleLR
ONECYCLE_BEGINS = 1 / 25
WARMUP_BEGINS = 0.01


@dataclass(frozen=True)
class Schedule:
    """The factor of the peak learning rate; updates count from 0."""

    settings: Settled
    updates_per_epoch: int

    def scale(self, update: int, *, decays: int = 0) -> float:
        """In (0, 1]; `decays` says how often `plateau` has decayed so far."""
        settings = self.settings
        total = settings.epochs * self.updates_per_epoch
        if settings.schedule == "onecycle":
            rise = max(1, round(total * ONECYCLE_RISE))
            if update < rise:
                return _between(ONECYCLE_BEGINS, 1.0, update / rise)
            return _between(1.0, settings.min_lr_scale, (update - rise) / max(1, total - 1 - rise))
        warmup = round(settings.warmup_epochs * self.updates_per_epoch)
        if update < warmup:
            return WARMUP_BEGINS + (1 - WARMUP_BEGINS) * update / warmup
        if settings.schedule == "cosine":
            return _between(1.0, settings.min_lr_scale, update / total)
        epochs = update / self.updates_per_epoch
        decayed = {"step": int(epochs / settings.decay_epochs), "plateau": decays, "constant": 0}[settings.schedule]
        return max(settings.min_lr_scale, float(settings.decay_factor**decayed))


def _between(first: float, last: float, share: float) -> float:
    """Along half a cosine."""
    return last + (first - last) * (1 + cos(pi * min(1.0, share))) / 2
