"""From a photo's bytes to uint8 pixels: exactly the model's input to validate, a little more than a crop to train.

bytes -> inference.images -> evaluation_pixels (3, H, W) | training_pixels (H, W, 3) | squared_pixels (3, side, side)
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from inference.engines.torch_resize import torch_resize
from inference.images.pixels import EvalTransform, Pixels, model_input, read_pixels
from training.model.model_file import Preprocessing
from training.settings.config import TrainConfig

Triple = tuple[float, float, float]
ROOM = 8 / 7  # how much larger than a crop a cached photo's short side is: 256 for 224, the habit of ImageNet


def evaluation_pixels(data: bytes, preprocessing: Preprocessing) -> Tensor:
    """A file's picture as the model sees it but for mean and std, uint8 (3, H, W); the server makes it by the same code.

    Raises inference's UnreadableImage.
    """
    return torch.from_numpy(np.ascontiguousarray(model_pixels(data, preprocessing).transpose(2, 0, 1)))


def model_pixels(data: bytes, preprocessing: Preprocessing) -> Pixels:
    """As `evaluation_pixels`, (H, W, 3), which is how the server's engines take them."""
    return model_input(data, preprocessing.transform, resize=torch_resize)


def training_pixels(data: bytes, config: TrainConfig) -> Image.Image:
    """A file's picture, upright, no larger than training crops need; raises inference's UnreadableImage."""
    side = room_px(config)
    transform = EvalTransform(side, side, crop_pct=1.0, crop_mode="center", interpolation="bicubic")
    return shrink(Image.fromarray(read_pixels(data, transform)), config)


def squared_pixels(data: bytes, side_px: int) -> tuple[NDArray[np.uint8], float]:
    """A file's picture squashed to a square, uint8 (3, side, side), and its width / height before.

    Raises inference's UnreadableImage.
    """
    transform = EvalTransform(side_px, side_px, crop_pct=1.0, crop_mode="squash", interpolation="bicubic")
    image = Image.fromarray(read_pixels(data, transform))
    squared = image.resize((side_px, side_px), Image.Resampling.BICUBIC)
    return np.asarray(squared).transpose(2, 0, 1), image.width / image.height


def shrink(image: Image.Image, config: TrainConfig) -> Image.Image:
    """The photo with a short side of 8/7 of a training crop's; a smaller one stays as it is."""
    scale = config.crop_size * ROOM / min(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def room_px(config: TrainConfig) -> int:
    """The short side that `shrink` leaves, in pixels."""
    return round(config.crop_size * ROOM)


def normalise(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """uint8 (N, 3, S, S) to float32 on the same device: the very steps of torchvision's ToTensor and Normalize."""
    mean, std = _statistics(preprocessing.mean, preprocessing.std, pixels.device)
    return pixels.float().div(255).sub(mean).div(std)


@lru_cache(maxsize=8)
def _statistics(mean: Triple, std: Triple, device: torch.device) -> tuple[Tensor, Tensor]:
    """Both as (3, 1, 1) on the device, sent once: sending them in each step would make it wait."""
    with torch.inference_mode(mode=False):
        return torch.tensor(mean, device=device).view(3, 1, 1), torch.tensor(std, device=device).view(3, 1, 1)


def memory_format(device: torch.device) -> torch.memory_format:
    """Channels last on a GPU: it is faster there. On a CPU its backward pass corrupts memory in torch 2.15 (oneDNN)."""
    return torch.channels_last if device.type == "cuda" else torch.contiguous_format
