"""How many epochs `hours` hold, by measured speeds, and when the hours are spent."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from training.settings.config import TrainConfig

OVERHEAD = 0.9  # share of a time budget that is steps: validation and checkpoints take the rest
COUNTED_IN_EPOCHS = ("freeze_epochs", "warmup_epochs", "mix_off_epochs", "augment_off_epochs")


def images_per_s(model: float, ready: float, *, workers: int, processes: int) -> float:
    """Photos that all processes train on in a second, if a model takes `model` and one worker makes `ready`.

    Loader workers make them ready meanwhile; without workers, the training process does one after the other.
    """
    each = min(model, ready * workers) if workers else 1 / (1 / model + 1 / ready)
    return processes * each


def within_hours(
    config: TrainConfig, hours: float, speed: float, train_images: int, validation_images: int
) -> tuple[dict[str, float], dict[str, str]]:
    """As many epochs as fit into `hours`, at least one, and at most `epochs` if they are set; and why.

    What is counted in epochs from the first or from the last one shrinks with them; in one epoch at least, all learns.
    """
    epoch_s = train_images / speed + validation_images / (3 * speed)  # a forward pass is a third of a step
    fitting = int(hours * 3600 * OVERHEAD / epoch_s)
    most = None if isinstance(config.epochs, str) else config.epochs
    epochs = max(1, fitting if most is None else min(most, fitting))
    changed: dict[str, float] = {"epochs": epochs}
    reasons = {
        "epochs": (
            f"{hours:g} hours hold {fitting} epochs of {epoch_s:.0f} s ({speed:.0f} images/s);"
            + (" epochs was auto" if most is None else f" epochs was {most}")
        )
    }
    planned = config.planned_epochs
    for name in COUNTED_IN_EPOCHS if epochs < planned else ():
        count = getattr(config, name)
        if count:
            is_warmup = name == "warmup_epochs"
            changed[name] = count * epochs / planned if is_warmup else shrunk(count, planned, epochs)
            reasons[name] = f"{count:g} of {planned} epochs were set, and there are {epochs}"
    return changed, reasons


def shrunk(count: int, of: int, epochs: int) -> int:
    """A setting of `count` out of `of` epochs, for a training of `epochs`: at least one epoch is left."""
    return min(ceil(count * epochs / of), epochs - 1)


def is_spent(hours: float, spent_s: float, epochs_s: Sequence[float]) -> bool:
    """Whether another epoch, as long as the longest so far, would end after `hours`; the first one always fits."""
    return len(epochs_s) > 0 and spent_s + max(epochs_s) > hours * 3600


def ended_by_hours(hours: float, epochs: int, spent_s: float, epochs_s: Sequence[float]) -> str:
    """The sentence about a training that ends because its hours are spent."""
    return (
        f"It ends after epoch {len(epochs_s)} of {epochs}, by the clock: {spent_s / 3600:.3g} of hours ="
        f" {hours:g} are spent, and an epoch takes up to {max(epochs_s):.0f} s. The best weights so far are kept;"
        " the learning rate has not come down to its end. Give more hours, or fewer epochs."
    )
