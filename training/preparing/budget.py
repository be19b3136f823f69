"""Choose as many epochs as `hours` hold, by measured speeds."""

from __future__ import annotations

from training.settings.config import TrainConfig, shrunk

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
