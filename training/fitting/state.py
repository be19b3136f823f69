"""The state of a training: all that changes from step to step, beside the weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from math import inf
from typing import Any

import torch
from torch import Tensor

from training.run import Epoch
from training.settings.settled import Settled


@dataclass
class TrainingState:
    """Counters and records; `tallies` are the running epoch's sums, on the device: loss, right answers, photos."""

    tallies: Tensor
    best_logits: Tensor  # (N, C) of the validation photos, by the weights that were kept
    epoch: int = 1  # the one that is trained now
    step: int = 0  # steps of it that are done
    update: int = 0  # changes of the weights, since the beginning
    best: float = -inf  # of the monitored figure; more is better
    best_loss: float = inf
    stale: int = 0  # epochs since the kept one, or since the body began to learn
    plateau_loss: float = inf
    plateau_stale: int = 0
    decays: int = 0
    seconds: float = 0.0  # spent in this epoch before it was interrupted
    spent_s: float = 0.0  # since the training began, without the time in which it stood still
    epochs: list[Epoch] = field(default_factory=list)

    @classmethod
    def begin(cls, device: torch.device) -> TrainingState:
        """Before the first step."""
        return cls(tallies=torch.zeros(3, device=device), best_logits=torch.empty(0))

    def facts(self) -> dict[str, Any]:
        """Everything but the tensors, for JSON."""
        plain = {
            one.name: getattr(self, one.name)
            for one in fields(self)
            if one.name not in ("tallies", "best_logits", "epochs")
        }
        return {**plain, "epochs": [asdict(line) for line in self.epochs]}

    @classmethod
    def of(cls, facts: dict[str, Any], *, tallies: Tensor, best_logits: Tensor) -> TrainingState:
        """The state that `facts` describe."""
        epochs = [Epoch(**line) for line in facts["epochs"]]
        return cls(**{**facts, "epochs": epochs}, tallies=tallies, best_logits=best_logits)

    def record(self, line: Epoch, settings: Settled) -> bool:
        """Count a validated epoch; whether its weights are the best so far, by the monitored figure, then by the loss.

        After the last frozen epoch the counting begins anew: early stopping and the plateau schedule restart.
        """
        figure = -line.loss if settings.monitor == "loss" else float(getattr(line, settings.monitor))
        better = (figure, -line.loss) > (self.best, -self.best_loss)
        if better:
            self.best, self.best_loss = figure, line.loss
        self.stale = 0 if better else self.stale + 1
        if line.loss < self.plateau_loss:
            self.plateau_loss, self.plateau_stale = line.loss, 0
        else:
            self.plateau_stale += 1
        if self.plateau_stale > settings.decay_epochs:
            self.decays, self.plateau_stale = self.decays + 1, 0
        if line.epoch == settings.frozen_epochs:
            # The lowest loss goes, too: a body's first steps may raise it, and the rate must not fall for that.
            self.stale, self.plateau_stale, self.plateau_loss, self.decays = 0, 0, inf, 0
        return better

    def has_ended(self, settings: Settled) -> bool:
        """Whether no epoch is left, or early stopping ends it; frozen epochs do not count."""
        weary = settings.early_stopping is not None and self.stale >= settings.early_stopping
        return self.epoch > settings.epochs or (weary and self.epoch - 1 > settings.frozen_epochs)
