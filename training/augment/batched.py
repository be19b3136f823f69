"""A whole batch at once, on the device: crop, flip, rotation, zoom and shift in one resampling, then colours.

draws (CPU) -> a matrix per photo -> a grid of places -> grid_sample -> brightness, contrast, saturation
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, radians

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from training.augment.draws import between, first, sent
from training.errors import WrongInput
from training.settings.config import TrainConfig

TRIES = 10  # of a random crop, until it fits into the photo: torchvision's number
GREY = (0.2989, 0.587, 0.114)  # ITU-R 601, as torchvision's
ROWS = {"area": TRIES, "aspect": TRIES, "place": 2, "flip": 2, "shift": 2, "turn": 2, "colour": 3}


@dataclass(frozen=True)
class Draws:
    """Numbers from [0, 1) for N photos, always drawn whole and in this order, whatever is switched on."""

    area: Tensor  # (TRIES, N) of the crop
    aspect: Tensor  # (TRIES, N) of the crop
    place: Tensor  # (2, N) of the crop, x and y
    flip: Tensor  # (2, N) left-right and top-bottom
    shift: Tensor  # (2, N) x and y
    turn: Tensor  # (2, N) angle and zoom
    colour: Tensor  # (3, N) brightness, contrast, saturation

    @classmethod
    def of(cls, generator: torch.Generator, count: int, device: torch.device) -> Draws:
        """The next 31 * `count` numbers of the generator, which lies on the CPU, sent to the device."""
        rows = sent(torch.rand(sum(ROWS.values()), count, generator=generator), device)
        return cls(*rows.split_with_sizes(list(ROWS.values())))


class BatchAugment:
    """`single.training_transform` for a batch; but bilinear, and with colours always in one order."""

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        """Raises WrongInput if the settings need one photo at a time."""
        if config.rand_augment:
            raise WrongInput(
                f"rand_augment = {config.rand_augment!r} takes one photo at a time. Set cache=memory, or leave it out."
            )
        self.config = config
        self.device = device
        self.grey = torch.tensor(GREY, device=device)

    def __call__(self, squared: Tensor, aspects: Tensor, generator: torch.Generator) -> Tensor:
        """Float32 crops (N, 3, S, S), 0 to 255, of photos that were squashed to a square.

        `squared` (N, 3, side, side) uint8 and `aspects` (N,) float32, width over height, lie on the device, the generator
        on the CPU: only it decides what is drawn, and nothing is read back.
        """
        draws = Draws.of(generator, len(aspects), self.device)
        images = self._resampled(squared, geometry(self.config, draws, aspects, squared.shape[-1]))
        return self._coloured(images, draws.colour)

    def _resampled(self, squared: Tensor, matrices: Tensor) -> Tensor:
        """If photos are at least twice as large as crops, several samples are averaged for every pixel of a crop.

        Shrinking the photos first would be cheaper, but would blur the small crops, which need every pixel.
        """
        samples = max(1, squared.shape[-1] // self.config.crop_size)
        grid = places(matrices, self.config.crop_size * samples)
        crops = grid_sample(squared.float(), grid, padding_mode="reflection", align_corners=False)
        return avg_pool2d(crops, samples) if samples > 1 else crops

    def _coloured(self, images: Tensor, draws: Tensor) -> Tensor:
        """torchvision's ColorJitter: brightness, then contrast, then saturation, each kept within 0 to 255."""
        amounts = (self.config.brightness, self.config.contrast, self.config.saturation)
        brightness, contrast, saturation = (
            between(row, max(0.0, 1 - amount), 1 + amount).view(-1, 1, 1, 1)
            for row, amount in zip(draws, amounts, strict=True)
        )
        if amounts[0]:
            images.mul_(brightness).clamp_(0, 255)
        if amounts[1]:
            mean = images.mean(dim=(2, 3)) @ self.grey
            images.lerp_(mean.view(-1, 1, 1, 1), 1 - contrast).clamp_(0, 255)
        if amounts[2]:
            grey = torch.einsum("nchw,c->nhw", images, self.grey)
            images.lerp_(grey[:, None], 1 - saturation).clamp_(0, 255)
        return images


def geometry(config: TrainConfig, draws: Draws, aspects: Tensor, side_px: int) -> Tensor:
    """Matrices (N, 2, 3): from a place in the crop to a place in the squared photo, both -1 to 1.

    The photo is rotated, zoomed and shifted in its own proportions, then cropped, then flipped, as one photo at a time.
    Written out, since a GPU may round the factors of a matrix product to ten bits.
    """
    width, height, x, y = crops(config, draws, aspects)
    width = torch.where(draws.flip[0] < config.horizontal_flip, -width, width)
    height = torch.where(draws.flip[1] < config.vertical_flip, -height, height)
    reach = config.shift * side_px
    shift_x, shift_y = between(draws.shift, -reach, reach).round() * (2 / side_px)  # whole pixels: none is blurred
    angle = between(draws.turn[0], -radians(config.rotation), radians(config.rotation))
    zoom = between(draws.turn[1], 1 - config.zoom, 1 + config.zoom)
    cos, sin = angle.cos() / zoom, angle.sin() / zoom
    left, down = x - shift_x, y - shift_y
    right_x, right_y = sin / aspects, -sin * aspects
    rows = [
        cos * width, right_x * height, cos * left + right_x * down,
        right_y * width, cos * height, right_y * left + cos * down,
    ]  # fmt: skip
    return torch.stack(rows, dim=1).view(-1, 2, 3)


def crops(config: TrainConfig, draws: Draws, aspects: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """torchvision's RandomResizedCrop in photos of any proportions: width and height as shares, the centre -1 to 1.

    The first of TRIES that fits is taken, else the largest middle part of an allowed aspect.
    """
    area = between(draws.area, config.min_scale, 1.0)
    aspect = between(draws.aspect, -log(config.max_aspect), log(config.max_aspect)).exp()
    width, height = (area * aspect / aspects).sqrt(), (area / aspect * aspects).sqrt()
    fits = (width <= 1) & (height <= 1)
    nearest = aspects.clamp(1 / config.max_aspect, config.max_aspect)
    width = first(fits, width, (nearest / aspects).clamp_max(1))
    height = first(fits, height, (aspects / nearest).clamp_max(1))
    x, y = (2 * draws.place - 1) * (1 - torch.stack([width, height])) * fits.any(dim=0)
    return width, height, x, y


def places(matrices: Tensor, size: int) -> Tensor:
    """The places of the middles of a crop's pixels (N, size, size, 2), as grid_sample takes them without align_corners."""
    across = (torch.arange(size, device=matrices.device) * 2 + 1) / size - 1
    by_x, by_y, fixed = matrices[..., None, None].unbind(dim=2)
    return (by_x * across + by_y * across[:, None] + fixed).permute(0, 2, 3, 1)
