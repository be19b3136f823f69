"""The data set as files: FOLDER/SPLIT/CLASS/NAME.jpg, the same bytes on every run."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from PIL import Image

from training.errors import WrongInput
from training.files import replacing
from training.practice_set.scene import CLASSES, render_image

Split = Literal["train", "validation", "unseen"]
SEEDS_PER_SPLIT = 1_000_000_000  # every split draws from its own range, so no picture is in two
JPEG_QUALITY = 90
PROCESSES = 2


@dataclass(frozen=True)
class Drawn:
    """How far the drawing has come."""

    done: int
    total: int


def seed_of(split: Split, number: int) -> int:
    """The seed of the split's picture `number`; WrongInput if it would reach into the next split."""
    if not 0 <= number < SEEDS_PER_SPLIT:
        raise WrongInput(f"Picture {number} of {split!r} does not exist: numbers go from 0 to {SEEDS_PER_SPLIT - 1}.")
    return get_args(Split).index(split) * SEEDS_PER_SPLIT + number


def render_dataset(
    folder: Path,
    *,
    split: Split,
    images_per_class: int,
    first_seed: int = 0,
    size_px: int = 128,
    on_image: Callable[[Drawn], None] = lambda _: None,
) -> list[Path]:
    """Draw `images_per_class` pictures of every class, and return all their paths, class by class.

    What lies there already in this size is left as it is. Each file appears whole or not at all.
    """
    numbers = range(first_seed, first_seed + images_per_class)
    wanted = [
        (folder / split / label / f"{number:06d}.jpg", label, seed_of(split, number))
        for label in CLASSES
        for number in numbers
    ]
    missing = [picture for picture in wanted if not _is_there(picture[0], size_px)]
    done = len(wanted) - len(missing)
    with ProcessPoolExecutor(PROCESSES) as pool:
        for _ in pool.map(partial(_draw, size_px), missing, chunksize=8):
            done += 1
            on_image(Drawn(done, len(wanted)))
    return [path for path, _, _ in wanted]


def _draw(size_px: int, picture: tuple[Path, str, int]) -> None:
    path, label, seed = picture
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, synced=False, shared=True) as draft:
        render_image(label, seed, size_px).save(draft, format="JPEG", quality=JPEG_QUALITY)


def _is_there(path: Path, size_px: int) -> bool:
    if not path.exists():
        return False
    with Image.open(path) as picture:
        return picture.size == (size_px, size_px)
