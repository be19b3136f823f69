"""Change normalised batches on the device: two photos in one (mixup, cutmix), erased rectangles, noise.

images, labels -> mixed -> a rectangle erased -> Gaussian noise -> images, labels or shares of the classes
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn.functional import one_hot

from training.augment.draws import sent
from training.settings.config import TrainConfig

CUTMIX_SHARE = 0.5  # of the mixed batches, if mixup and cutmix are both on: timm's switch_prob
ERASED_AREA = (0.02, 1 / 3)  # of the image: timm's, and the paper's (https://arxiv.org/abs/1708.04896) but for its 0.4
ERASED_ASPECT = (0.3, 1 / 0.3)
ERASE_TRIES = 10  # until a rectangle fits: timm's number

Box = tuple[slice, slice]  # rows, columns


class Mixing:
    """Mixup, cutmix, random erasing and noise, as configured."""

    def __init__(self, config: TrainConfig, class_count: int, std: Sequence[float]) -> None:
        """`std` is the one that images were divided by: `noise` counts in the full range of a pixel, 0 to 1."""
        self.config = config
        self.class_count = class_count
        self.deviation = config.noise / np.array(std, dtype=np.float32)
        self.mixes = bool(config.mixup or config.cutmix)

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """New images (N, 3, H, W), float, of normalised ones on any device, and their targets.

        Targets are the labels (N,) int64 if neither mixup nor cutmix is on. Else they
        are shares of the classes (N, C) float32, unsmoothed, also of a batch whose turn it was not. Image i is mixed with
        image N - 1 - i, every image of a batch in the same way, as timm does by default.

        Draws one number from `generator`, which lies on the CPU; all others follow from it. Only noise is drawn on the
        device, so that a GPU's noise is another one than a CPU's. What is given is left as it is.
        """
        numbers = np.random.default_rng(int(torch.randint(2**63 - 1, (), generator=generator)))
        seed = int(numbers.integers(2**63))  # of the noise
        targets = labels
        if self.mixes:
            images, targets = self._mixed(images, one_hot(labels, self.class_count).float(), numbers)
        if self.config.random_erasing:
            images = erased(images, self.config.random_erasing, numbers)
        if self.config.noise:
            images = images + self._noise(images, seed)
        return images, targets

    def _mixed(self, images: Tensor, shares: Tensor, numbers: Generator) -> tuple[Tensor, Tensor]:
        if numbers.random() >= self.config.mix_share:
            return images, shares
        cuts = bool(self.config.cutmix) and (not self.config.mixup or numbers.random() < CUTMIX_SHARE)
        alpha = self.config.cutmix if cuts else self.config.mixup
        kept = float(numbers.beta(alpha, alpha))
        if not cuts:
            mixed = torch.lerp(images.flip(0), images, kept)
        else:
            rows, columns = box(numbers, kept, images.shape[2], images.shape[3])
            mixed = images.clone()
            mixed[:, :, rows, columns] = images.flip(0)[:, :, rows, columns]
            kept = 1 - len_of(rows) * len_of(columns) / (images.shape[2] * images.shape[3])  # of the edges' cut, too
        return mixed, torch.lerp(shares.flip(0), shares, kept)

    def _noise(self, images: Tensor, seed: int) -> Tensor:
        generator = torch.Generator(images.device).manual_seed(seed)
        noise = torch.randn(images.shape, generator=generator, device=images.device, dtype=images.dtype)
        return noise * sent(torch.from_numpy(self.deviation).to(images.dtype), images.device).view(1, 3, 1, 1)


def box(numbers: Generator, kept: float, height: int, width: int) -> Box:
    """Cutmix's rectangle: about 1 - `kept` of the area, its middle anywhere, what lies outside cut off."""
    part = (1 - kept) ** 0.5
    return _around(numbers, height, int(height * part)), _around(numbers, width, int(width * part))


def _around(numbers: Generator, side: int, length: int) -> slice:
    middle = int(numbers.integers(side))
    return slice(max(0, middle - length // 2), min(side, middle + (length + 1) // 2))


def len_of(part: slice) -> int:
    """The number of its rows or columns."""
    return int(part.stop - part.start)


def erased(images: Tensor, share: float, numbers: Generator) -> Tensor:
    """`share` of the images, with one rectangle each set to 0, which is the mean colour; the rest is as it was.

    Rectangles have 2 to 33 % of the area, and sides of up to 0.3 to 1 either way.
    """
    count, _, height, width = images.shape
    area = numbers.uniform(*ERASED_AREA, (ERASE_TRIES, count)) * height * width
    aspect = np.exp(numbers.uniform(log(ERASED_ASPECT[0]), log(ERASED_ASPECT[1]), (ERASE_TRIES, count)))
    tall, wide = (np.rint(np.sqrt(it)).astype(np.int64) for it in (area * aspect, area / aspect))
    fits = (tall < height) & (wide < width)
    chosen = fits.argmax(axis=0), np.arange(count)
    hit = fits.any(axis=0) & (numbers.random(count) < share)
    tall, wide = tall[chosen] * hit, wide[chosen] * hit
    top, left = (numbers.integers(side - np.minimum(it, side) + 1) for side, it in ((height, tall), (width, wide)))
    edges = torch.from_numpy(np.stack([top, top + tall, left, left + wide]))
    top_, bottom, left_, right = sent(edges, images.device)[:, :, None]
    rows, columns = (torch.arange(side, device=images.device) for side in (height, width))
    inside = ((rows >= top_) & (rows < bottom))[:, None, :, None] & ((columns >= left_) & (columns < right))[
        :, None, None
    ]
    return images.masked_fill(inside, 0)
