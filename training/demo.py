"""The demo's recipe: a small model, from scratch, on drawn balls; and a tiny one for tests.

Found by measurement, see docs/results/training.md: a ResNet of ten layers, half as wide as timm's own and with half
its stem, sees three times as many 64-pixel pictures a second, and learns the more for it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from training.practice_set import CLASSES, Drawn, render_dataset
from training.settings.config import TrainConfig

IMAGE_PX = 128  # of the drawn pictures
TRAIN_PER_CLASS = 140
VALIDATION_PER_CLASS = 30
UNSEEN_PER_CLASS = 8  # for the batch that is dropped: seeds that no training has seen

DEMO = TrainConfig(
    data=".podium/demo/balls",
    run=Path("runs/demo"),
    model="resnet10t",
    model_args={"channels": [32, 64, 128, 256], "stem_width": 16},
    image_size=64,
    crop_pct=1.0,
    min_scale=0.5,
    epochs=16,
    batch_size=32,
    lr=0.003,
    tensorboard=False,
    threads=1,  # the same weights on every run, and no slower on a busy machine
)
TINY = DEMO.model_copy(
    update={
        "data": ".podium/tiny/balls",
        "run": Path("runs/tiny"),
        "model_args": {"channels": [8, 16, 32, 64], "stem_width": 8},
        "image_size": 32,
        "epochs": 2,
        "batch_size": 16,
    }
)


def draw_demo(
    data: Path,
    *,
    train_per_class: int = TRAIN_PER_CLASS,
    validation_per_class: int = VALIDATION_PER_CLASS,
    on_image: Callable[[Drawn], None] = lambda _: None,
) -> None:
    """Draw what DEMO trains on: `data`/train and `data`/validation; `on_image` counts over both."""
    total = len(CLASSES) * (train_per_class + validation_per_class)
    render_dataset(
        data,
        split="validation",
        images_per_class=validation_per_class,
        size_px=IMAGE_PX,
        on_image=lambda drawn: on_image(Drawn(drawn.done, total)),
    )
    before = len(CLASSES) * validation_per_class
    render_dataset(
        data,
        split="train",
        images_per_class=train_per_class,
        size_px=IMAGE_PX,
        on_image=lambda drawn: on_image(Drawn(before + drawn.done, total)),
    )


def draw_unseen(folder: Path, *, images_per_class: int = UNSEEN_PER_CLASS) -> list[Path]:
    """Draw pictures that no split of the demo holds, at `folder`/unseen/CLASS/NAME.jpg, and return their paths."""
    return render_dataset(folder, split="unseen", images_per_class=images_per_class, size_px=IMAGE_PX)
