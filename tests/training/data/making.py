"""Settings and photos for the tests of data."""

from __future__ import annotations

from pathlib import Path

from training.settings.config import TrainConfig, make_config


def config_of(data: Path | str, **changed: object) -> TrainConfig:
    """What a training of `data` would be; `changed` replaces settings."""
    values: dict[str, object] = {"data": str(data), "run": Path("run"), "image_size": 32, "threads": 1}
    return make_config(values | changed)
