"""What a budget of hours holds: epochs, and what is counted in epochs, by measured speeds; and when it is spent."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from training.settings.config import TrainConfig

OVERHEAD = 0.9  # share of a time budget that is steps: validation and checkpoints take the rest
COUNTED_IN_EPOCHS = ("freeze_epochs", "warmup_epochs", "mix_off_epochs", "augment_off_epochs")


def images_per_s(config: TrainConfig, model: float, ready: float, processes: int) -> float:
    """Photos that all processes train with in a second, where a model takes `model` and one worker makes `ready`.

    Loader workers do it meanwhile; without any, the training process does one after the other.
    """
    assert not isinstance(config.workers, str)
    each = min(model, ready * config.workers) if config.workers else 1 / (1 / model + 1 / ready)
    return processes * each


def within_hours(
    config: TrainConfig, speed: float, train_images: int, validation_images: int
) -> tuple[TrainConfig, dict[str, str]]:
    """The settings with as many epochs as fit into `hours`, at least one and at most `epochs` where they were set, and why.

    What is counted in epochs from the first or from the last one shrinks with them; an epoch is left in which all learns.
    """
    assert config.hours is not None
    epoch_s = train_images / speed + validation_images / (3 * speed)  # a forward pass is a third of a step
    fitting = int(config.hours * 3600 * OVERHEAD / epoch_s)
    asked_for = "epochs" in config.model_fields_set
    epochs = max(1, min(config.epochs, fitting) if asked_for else fitting)
    changed: dict[str, object] = {"epochs": epochs}
    reasons = {
        "epochs": (
            f"{config.hours:g} hours hold {fitting} epochs of {epoch_s:.0f} s ({speed:.0f} images/s);"
            + (f" at most {config.epochs} were asked for" if asked_for else " no number was asked for")
        )
    }
    for name in COUNTED_IN_EPOCHS if epochs < config.epochs else ():
        asked = getattr(config, name)
        if asked:
            is_warmup = name == "warmup_epochs"
            changed[name] = asked * epochs / config.epochs if is_warmup else shrunk(asked, config.epochs, epochs)
            reasons[name] = f"{asked:g} of {config.epochs} epochs were asked for, and there are {epochs}"
    return config.model_copy(update=changed), reasons


def shrunk(count: int, of: int, epochs: int) -> int:
    """So many of a training's epochs where there are fewer of these: at least one is left."""
    return min(ceil(count * epochs / of), epochs - 1)


def is_spent(config: TrainConfig, spent_s: float, epochs_s: Sequence[float]) -> bool:
    """Whether another epoch, as long as the longest so far, would end after `hours`; the first one always fits."""
    return config.hours is not None and len(epochs_s) > 0 and spent_s + max(epochs_s) > config.hours * 3600


def told_of_the_end(config: TrainConfig, spent_s: float, epochs_s: Sequence[float]) -> str:
    """The sentence over a training that ends because its hours do."""
    return (
        f"It ends after epoch {len(epochs_s)} of {config.epochs}, by the clock: {spent_s / 3600:.3g} of hours ="
        f" {config.hours:g} are spent, and an epoch takes up to {max(epochs_s):.0f} s. The best weights so far are kept; the"
        " learning rate has not come down to its end. Give more hours, or fewer epochs."
    )
