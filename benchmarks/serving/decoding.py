"""Reading one photo into the model's input: the stock transform against Podium's, in one thread.

    python -m benchmarks.serving.decoding UNPACKED PHOTOS

The stock transform is what TorchServe's handler and timm's evaluation do: Pillow, Resize, CenterCrop, ToTensor,
Normalize, with the numbers of the archive's model.json. Podium resizes by torch, as its server does; beside it stands its
way without torch, which resizes by Pillow.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torchvision import transforms

from benchmarks.serving.apps.model import load
from benchmarks.serving.photos import read_photos
from inference.images.pixels import pillow_resize

SIZES = ((500, 400), (600, 600), (2000, 1500))
PHOTOS = 8  # of each size
ENGINE = "torch-fp32"  # measures how the pixels' difference changes a probability
QUALITY = 92
ROUNDS = 5
LEAST_S = 0.2  # of one round


def measure(folder: Path, photos: Sequence[bytes]) -> list[dict[str, Any]]:
    """For each size: milliseconds a photo with either transform, and the largest difference in pixels and probabilities."""
    torch.set_num_threads(1)
    model = load(folder, ENGINE)
    without_torch = replace(model, resize=pillow_resize)
    stock, mean, std = _stock_transform(folder)
    found = []
    for width, height in SIZES:
        sized = [_resized(photo, width, height) for photo in photos[:PHOTOS]]
        theirs = np.stack([_bytes(stock(photo) * std + mean) for photo in sized])
        ours = np.stack([model.read(photo) for photo in sized])
        stock_ms, ours_ms, pillow_ms = _alternating_ms([stock, model.read, without_torch.read], sized)
        found.append(
            {
                "size": f"{width}x{height}",
                "kilobytes": round(sum(map(len, sized)) / len(sized) / 1000),
                "stock_ms": round(stock_ms, 2),
                "ours_ms": round(ours_ms, 2),
                "without_torch_ms": round(pillow_ms, 2),
                "ratio": round(stock_ms / ours_ms, 2),
                "largest_difference": int(np.abs(theirs.astype(np.int16) - ours).max()),  # of 255
                "largest_change": round(float(np.abs(model.classify(theirs) - model.classify(ours)).max()), 4),
            }
        )
    return found


def _bytes(picture: torch.Tensor) -> npt.NDArray[np.uint8]:
    """A picture (3, H, W) from 0 to 1 as (H, W, 3) from 0 to 255."""
    return (picture * 255).round().permute(1, 2, 0).numpy().astype(np.uint8)


def _stock_transform(folder: Path) -> tuple[Callable[[bytes], Any], Any, Any]:
    """The transform of a photo's bytes, and the mean and deviation (3, 1, 1) that it normalises with."""
    recipe = json.loads((folder / "model.json").read_text(encoding="utf-8"))["preprocessing"]
    side = recipe["input_size"][-1]
    steps = transforms.Compose(
        [
            transforms.Resize(int(side / recipe["crop_pct"]), transforms.InterpolationMode(recipe["interpolation"])),
            transforms.CenterCrop(side),
            transforms.ToTensor(),
            transforms.Normalize(recipe["mean"], recipe["std"]),
        ]
    )
    mean, std = (torch.tensor(recipe[key]).view(3, 1, 1) for key in ("mean", "std"))
    return lambda photo: steps(Image.open(io.BytesIO(photo)).convert("RGB")), mean, std


def _resized(photo: bytes, width: int, height: int) -> bytes:
    target = io.BytesIO()
    Image.open(io.BytesIO(photo)).convert("RGB").resize((width, height)).save(target, "JPEG", quality=QUALITY)
    return target.getvalue()


def _alternating_ms(ways: Sequence[Callable[[bytes], Any]], photos: Sequence[bytes]) -> list[float]:
    """For each transform the milliseconds a photo in its best round; they take turns, so that a quiet moment favours none."""
    best = [float("inf")] * len(ways)
    for _ in range(ROUNDS):
        for number, way in enumerate(ways):
            done, began = 0, time.thread_time()
            while (spent := time.thread_time() - began) < LEAST_S or done == 0:
                for photo in photos:
                    way(photo)
                done += len(photos)
            best[number] = min(best[number], 1000 * spent / done)
    return best


def main() -> None:
    """Measure, and print JSON."""
    folder, photos = sys.argv[1:]
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print(json.dumps(measure(Path(folder), read_photos(Path(photos)))))  # noqa: T201


if __name__ == "__main__":
    main()
