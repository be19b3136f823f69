"""Curves for TensorBoard, beside the run folder's own metrics.jsonl and results.csv."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from training.run import Epoch, TrainingProgress, kept

CURVES = {"train_loss": "loss/train", "loss": "loss/validation", "train_top1": "top1/train", "top1": "top1/validation",
          "top3": "top3/validation", "macro_f1": "macro_f1/validation", "lr": "lr", "images_per_s": "speed/images_per_s"}  # fmt: skip


class Logs:
    """TensorBoard's event files in the run folder; without `wanted`, nothing. TrainingError if the disk is full.

    TensorBoard hides the points that an interrupted training wrote from `first_epoch` or `first_step` on.
    Steps have a folder of their own: TensorBoard has one purge step for each folder, and epochs count otherwise.
    """

    def __init__(self, folder: Path, *, wanted: bool, first_epoch: int, first_step: int) -> None:
        self.folder = folder
        self.writer: Any = None
        if not wanted:
            return
        from torch.utils.tensorboard.writer import SummaryWriter

        with kept(folder):
            self.writer = SummaryWriter(str(folder / "tensorboard"), purge_step=first_epoch)
            self.steps = SummaryWriter(str(folder / "tensorboard" / "steps"), purge_step=first_step)

    def epoch(self, line: Epoch) -> None:
        """One point on every curve."""
        if self.writer is None:
            return
        with kept(self.folder):
            for name, value in asdict(line).items():
                if name in CURVES:
                    self.writer.add_scalar(CURVES[name], value, line.epoch)
            self.writer.flush()

    def progress(self, now: TrainingProgress) -> None:
        """The loss within an epoch."""
        if self.writer is not None and now.stage == "training" and now.loss is not None:
            with kept(self.folder):
                self.steps.add_scalar("loss/steps", now.loss, (now.epoch - 1) * now.steps + now.step)

    def close(self) -> None:
        """Write what is left."""
        if self.writer is not None:
            with kept(self.folder):
                self.writer.close()
                self.steps.close()
