"""Settings and photos for the tests of data."""

from __future__ import annotations

from pathlib import Path

from training.settings.config import TrainConfig, make_config

# What network drives, archivers and desktops leave among photos.
CLUTTERED = (
    "@eaDir/000.png/SYNOPHOTO_THUMB_M.jpg", "jade/@eaDir/000.png", "__MACOSX/jade/._000.png", "jade/.AppleDouble/000.png",
    "jade/._000.png", "jade/.DS_Store", "jade/Thumbs.db", "jade/thumbs.db", "jade/desktop.ini", "@Recycle/000.png",
    "jade/.ipynb_checkpoints/000-checkpoint.png", "#recycle/jade/000.png", "$RECYCLE.BIN/S-1-5/000.png",
    "System Volume Information/000.png", "lost+found/000.png", "@sharebin/000.png", "FOUND.000/000.png", "jade/Icon\r",
    "jade/000.png@SynoResource", "__pycache__/x.pyc", "jade/ipynb_checkpoints/000-checkpoint.png", "jade/Picasa.ini",
)  # fmt: skip


def config_of(data: Path | str, **changed: object) -> TrainConfig:
    """What a training of `data` would be; `changed` replaces settings."""
    values: dict[str, object] = {"data": str(data), "run": Path("run"), "image_size": 32, "threads": 1}
    return make_config(values | changed)
