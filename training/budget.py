"""What a budget of hours holds: epochs, and what is counted in epochs, by measured speeds."""

from __future__ import annotations

from math import ceil

from training.config import TrainConfig

OVERHEAD = 0.9  # share of a time budget that is steps: validation and checkpoints take the rest


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
    """The settings with as many epochs as fit into `hours`, at least one and at most `epochs`, and why.

    What is counted in epochs from the first or from the last one shrinks with them; an epoch is left in which all learns.
    """
    assert config.hours is not None
    epoch_s = train_images / speed + validation_images / (3 * speed)  # a forward pass is a third of a step
    fitting = int(config.hours * 3600 * OVERHEAD / epoch_s)
    epochs = min(config.epochs, max(1, fitting))
    changed: dict[str, object] = {"epochs": epochs}
    reasons = {
        "epochs": (
            f"{config.hours:g} hours hold {fitting} epochs of {epoch_s:.0f} s ({speed:.0f} images/s); at most"
            f" {config.epochs} were asked for"
        )
    }
    for name in ("freeze_epochs", "warmup_epochs", "mix_off_epochs") if epochs < config.epochs else ():
        asked = getattr(config, name)
        if asked:
            exact = asked * epochs / config.epochs
            changed[name] = exact if name == "warmup_epochs" else min(ceil(exact), epochs - 1)
            reasons[name] = f"{asked:g} of {config.epochs} epochs were asked for, and there are {epochs}"
    return config.model_copy(update=changed), reasons
