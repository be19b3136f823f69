"""The settings that a training runs with: nothing is `auto` any more. resolved.yaml is this record, written out."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from training.settings.config import Count, CountOrNone, Positive, TrainConfig, checked, read_yaml

Precision = Literal["fp32", "bf16", "fp16"]
CacheKind = Literal["files", "memory", "device"]
UNMIXED: dict[str, object] = {"mixup": 0.0, "cutmix": 0.0}
UNAUGMENTED: dict[str, object] = {
    "rotation": 0.0, "zoom": 0.0, "brightness": 0.0, "contrast": 0.0, "saturation": 0.0,
    "rand_augment": None, "random_erasing": 0.0, "noise": 0.0,
}  # fmt: skip


class Settled(TrainConfig):
    """One training whose every setting has its value. `settle` makes it; a resumed training reads it back."""

    epochs: Count
    lr: Positive
    batch_size: Count
    precision: Precision
    threads: Count
    workers: CountOrNone
    cache: CacheKind
    reasons: dict[str, str] = Field({}, exclude=True)  # of what was `auto` or had to change; resolved.yaml's comments

    def in_epoch(self, epoch: int) -> Settled:
        """The settings of one epoch (from 1): without what ends before the training does."""
        mixing = UNMIXED if epoch > self.epochs - self.mix_off_epochs else {}
        augmentation = {} if self.augments(epoch) else UNAUGMENTED
        return self.model_copy(update=mixing | augmentation)

    def augments(self, epoch: int) -> bool:
        """Whether an epoch (from 1) has the whole augmentation, and not only crops, flips and shifts."""
        return epoch <= self.epochs - self.augment_off_epochs

    @property
    def frozen_epochs(self) -> int:
        """The first epochs, after which more begins to learn; none if the body is frozen for good."""
        return 0 if self.freeze == "body" else self.freeze_epochs

    def freeze_in(self, epoch: int) -> str:
        """The value of `freeze` that holds in an epoch (from 1)."""
        return "body" if epoch <= self.freeze_epochs else self.freeze


def read_settled(path: Path, run: Path) -> Settled:
    """The record in a resolved.yaml, for a training in `run`, wherever its folder lay; WrongInput if it holds none."""
    return checked(Settled, {**read_yaml(path), "run": run})
