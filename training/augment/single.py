"""One photo at a time: crops, flips and colours, by timm's and torchvision's own transforms if one is enough.

upright photo -> rotated, zoomed, shifted -> random crop, resized -> flipped -> RandAugment -> colours -> uint8
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, radians, sin
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from timm.data.transforms_factory import create_transform
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.transforms import Compose, InterpolationMode, RandomAffine, RandomResizedCrop
from torchvision.transforms.v2 import ColorJitter, TrivialAugmentWide
from torchvision.transforms.v2 import functional as F  # noqa: N812 - torchvision's habit

from training.errors import WrongInput
from training.settings.config import TrainConfig

Picture = Image.Image | NDArray[np.uint8]  # or its pixels (H, W, 3)
Transform = Callable[[Picture], Tensor]  # to uint8 (3, S, S)
MEAN_COLOUR = [124, 116, 104]  # of ImageNet: what timm's RandAugment fills with, too


def training_transform(config: TrainConfig) -> Transform:
    """A photo's random crop, S = config.crop_size, uint8 (3, S, S): mean and std are left to the device.

    The crop is bicubic, antialiased. With `min_scale` 1 nothing is drawn: it is the largest middle part whose sides
    differ by no more than `max_aspect`. Draws from the global generators of `random`, numpy and torch. Raises WrongInput
    over a `rand_augment` that timm does not understand.
    """
    moves = bool(config.rotation or config.zoom or config.shift)
    colours = bool(config.brightness or config.contrast or config.saturation)
    if moves or colours or config.rand_augment:
        return _by_pillow(config, moves=moves, colours=colours)
    return Cropped(config)


class Cropped:
    """Only the crop and the flips: a quarter of Pillow's time, straight from the cached pixels."""

    def __init__(self, config: TrainConfig) -> None:
        self.size = (config.crop_size, config.crop_size)
        self.scale, self.ratio = [config.min_scale, 1.0], [1 / config.max_aspect, config.max_aspect]
        self.flips = ((config.horizontal_flip, 2), (config.vertical_flip, 1))

    def __call__(self, picture: Picture) -> Tensor:
        """uint8 (3, S, S)."""
        pixels = np.array(picture) if isinstance(picture, Image.Image) else picture
        planes = torch.from_numpy(pixels).permute(2, 0, 1)
        top, left, height, width = RandomResizedCrop.get_params(planes, self.scale, self.ratio)
        part = planes[None, :, top : top + height, left : left + width]
        crop = part
        if (height, width) != self.size:
            crop = interpolate(part, size=self.size, mode="bicubic", antialias=True)
        turned = [axis for probability, axis in self.flips if torch.rand(()).item() < probability]
        return crop[0].flip(turned) if turned else crop[0].contiguous()


def _by_pillow(config: TrainConfig, *, moves: bool, colours: bool) -> Transform:
    trivial = config.rand_augment == "trivial"
    try:
        crop, augment, to_tensor = create_transform(
            config.crop_size,
            is_training=True,
            use_prefetcher=True,  # timm's word for leaving out mean and std
            separate=True,
            scale=(config.min_scale, 1.0),
            ratio=(1 / config.max_aspect, config.max_aspect),
            hflip=config.horizontal_flip,
            vflip=config.vertical_flip,
            color_jitter=None,  # type: ignore[arg-type]  # timm leaves it out beside RandAugment
            auto_augment=None if trivial else config.rand_augment,
            interpolation="bicubic",
        )
    except (AssertionError, ValueError) as error:
        raise WrongInput(
            f"rand_augment = {config.rand_augment!r}: {error}. Use trivial, or timm's words, as rand-m9-mstd0.5."
        ) from error
    if trivial:
        augment = TrivialAugmentWide(interpolation=InterpolationMode.BILINEAR, fill=MEAN_COLOUR)
    steps: list[Callable[..., object]] = [crop, augment]
    if moves:
        steps.insert(0, Moved(config))
    if colours:
        steps.append(ColorJitter(config.brightness, config.contrast, config.saturation))
    return cast(Transform, Compose([_as_image, *steps, to_tensor]))


def _as_image(picture: Picture) -> Image.Image:
    return picture if isinstance(picture, Image.Image) else Image.fromarray(picture)


class Moved:
    """The photo rotated, zoomed and shifted within its frame; what comes in over its edges is its mirror image."""

    def __init__(self, config: TrainConfig) -> None:
        self.degrees = [-config.rotation, config.rotation]
        self.shift = [config.shift, config.shift]
        self.scale = [1 - config.zoom, 1 + config.zoom]
        self.lean = sin(radians(min(config.rotation, 90)))  # greatest share of one side that turns into the other

    def __call__(self, photo: Image.Image) -> Image.Image:
        """A photo of the same size."""
        width, height = photo.size
        angle, shift, scale, shear = RandomAffine.get_params(
            self.degrees, self.shift, self.scale, None, [width, height]
        )
        if (angle, shift, scale) == (0, (0, 0), 1):
            return photo
        across, down = self._room(width, height), self._room(height, width)
        wide = F.pad(photo, [across, down], padding_mode="symmetric")
        moved = F.affine(wide, angle, list(shift), scale, list(shear), InterpolationMode.BILINEAR)
        return cast(Image.Image, F.center_crop(moved, [height, width]))

    def _room(self, side: int, other: int) -> int:
        """Pixels on either end of `side` that a photo of these sides may be moved by, at most."""
        reach = (0.5 + self.shift[0]) * (side + self.lean * other) / self.scale[0]
        return ceil(reach - side / 2) + 1
