"""A file's bytes become the input of a model: the one way, for evaluation and for the model server.

bytes -> format, bomb, size (reading) -> pixels, upright -> resized -> the middle, uint8 (H, W, 3)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import floor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Transpose

from inference.images.jpegs import decoded, with_its_end
from inference.images.profiles import in_srgb, srgb_transform
from inference.images.reading import JPEGS, MAX_PIXELS, open_image, picture_of, turn_of

Pixels = NDArray[np.uint8]
Resize = Callable[[Pixels, int, int, str], Pixels]  # of a picture (H, W, 3) to a height and a width, antialiased

ROOM = 2  # a JPEG is decoded smaller while its short side stays at least this many times the resized one
SMALLER = (8, 4, 2)  # libjpeg decodes at these fractions faster than whole; at odd ones (5/8) slower
MODES = ("center", "squash", "border")
INTERPOLATIONS = ("bilinear", "bicubic")


@dataclass(frozen=True)
class EvalTransform:
    """timm's evaluation transform, without mean and std: sides in pixels, `crop_pct` is the share that the crop keeps.

    Over 1 it is a share of the picture and a margin around it. `fill` is the colour of margins: black, and in the mode
    `border`, which shows the whole picture, the mean.
    """

    height: int
    width: int
    crop_pct: float
    crop_mode: str
    interpolation: str
    fill: tuple[int, ...] = (0, 0, 0)

    @classmethod
    def of(cls, preprocessing: Mapping[str, Any]) -> EvalTransform:
        """By the arguments of `timm.data.create_transform`. Raises ValueError for what no timm model uses."""
        _, height, width = preprocessing["input_size"]
        mode = preprocessing["crop_mode"]
        fill = tuple(round(255 * share) for share in preprocessing["mean"]) if mode == "border" else (0, 0, 0)
        transform = cls(height, width, preprocessing["crop_pct"], mode, preprocessing["interpolation"], fill)
        if transform.crop_mode not in MODES or transform.interpolation not in INTERPOLATIONS:
            raise ValueError(
                f"crop_mode {transform.crop_mode!r} with interpolation {transform.interpolation!r} is not supported: "
                f"use {', '.join(MODES)}, and {' or '.join(INTERPOLATIONS)}"
            )
        if not 0 < transform.crop_pct <= min(height, width):
            raise ValueError(
                f"input_size {height} x {width} with crop_pct {transform.crop_pct} leaves nothing to look at"
            )
        return transform

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """The sides to which a picture of these sides is resized, before the middle is cut out; timm's rounding."""
        tall, wide = floor(self.height / self.crop_pct), floor(self.width / self.crop_pct)
        if self.crop_mode == "squash":
            return tall, wide
        if self.crop_mode == "border":
            ratio = max(height / tall, width / wide)
            return max(1, round(height / ratio)), max(1, round(width / ratio))
        if tall == wide:
            return (tall, int(tall * width / height)) if height <= width else (int(tall * height / width), tall)
        ratio = min(height / tall, width / wide)
        return round(height / ratio), round(width / ratio)


def pillow_resize(pixels: Pixels, height: int, width: int, interpolation: str) -> Pixels:
    """As timm's evaluation resizes."""
    return np.array(Image.fromarray(pixels).resize((width, height), Image.Resampling[interpolation.upper()]))


def model_input(
    data: bytes, transform: EvalTransform, *, max_pixels: int = MAX_PIXELS, resize: Resize = pillow_resize
) -> Pixels:
    """The middle of the picture in `data`, (H, W, 3) uint8, RGB; mean and std are left to the model.

    With `pillow_resize` it is exactly what timm's evaluation transform makes of it, except for large JPEGs, which are
    decoded at a fraction of their size. Raises UnreadableImage, and nothing else, for any bytes.
    """
    return resize_and_crop(read_pixels(data, transform, max_pixels=max_pixels), transform, resize)


def read_pixels(data: bytes, transform: EvalTransform, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """The picture in `data`, upright, (H, W, 3) uint8; a large JPEG smaller than it is, but large enough for `transform`."""
    image = open_image(data, max_pixels)
    pixels = _decoded_jpeg(with_its_end(data), image, transform) if image.format in JPEGS else None
    if pixels is None:  # another format, a rare kind of JPEG, or one over which libjpeg has a warning
        return np.array(picture_of(image, data))
    if to_srgb := srgb_transform(image):
        pixels = np.array(in_srgb(Image.fromarray(pixels), to_srgb))
    return _upright(pixels, turn_of(image))


def resize_and_crop(pixels: Pixels, transform: EvalTransform, resize: Resize = pillow_resize) -> Pixels:
    """`transform` of a picture (H, W, 3): resized, then the middle of it; a view, not a copy, unless it has a margin."""
    sides = transform.resized(*pixels.shape[:2])
    if sides != pixels.shape[:2]:
        pixels = resize(pixels, *sides, transform.interpolation)
    wanted = transform.height, transform.width
    top, left = (round(max(0, side - goal) / 2.0) for side, goal in zip(sides, wanted, strict=True))
    middle = pixels[top : top + transform.height, left : left + transform.width]
    return middle if middle.shape[:2] == wanted else _with_margin(middle, transform)


def _with_margin(pixels: Pixels, transform: EvalTransform) -> Pixels:
    """The picture in the middle of a larger one; an odd pixel lies to the right or below."""
    tall, wide = pixels.shape[:2]
    top, left = (transform.height - tall) // 2, (transform.width - wide) // 2
    framed = np.empty((transform.height, transform.width, 3), dtype=np.uint8)
    framed[:] = transform.fill
    framed[top : top + tall, left : left + wide] = pixels
    return framed


def _decoded_jpeg(data: bytes, image: Image.Image, transform: EvalTransform) -> Pixels | None:
    """The pixels of a JPEG; the very ones that Pillow decodes, but in one copy, and smaller if that is enough."""
    if image.mode not in ("RGB", "L"):
        return None
    width, height = image.size
    part = _part(width, height, min(transform.resized(height, width)))
    try:
        return decoded(data, "RGB", min_height=height // part, min_width=width // part)
    except ValueError:
        return None


def _part(width: int, height: int, short_side: int) -> int:
    """By how much the decoder may divide the sides; only without remainder, for a half pixel would shift the picture."""
    fits = (part for part in SMALLER if min(width, height) >= part * ROOM * short_side)
    return next((part for part in fits if width % part == 0 == height % part), 1)


def _upright(pixels: Pixels, turn: Transpose | None) -> Pixels:
    match turn:
        case None:
            return pixels
        case Transpose.FLIP_LEFT_RIGHT:
            turned = pixels[:, ::-1]
        case Transpose.FLIP_TOP_BOTTOM:
            turned = pixels[::-1]
        case Transpose.ROTATE_180:
            turned = pixels[::-1, ::-1]
        case Transpose.TRANSPOSE:
            turned = pixels.swapaxes(0, 1)
        case Transpose.TRANSVERSE:
            turned = pixels[::-1, ::-1].swapaxes(0, 1)
        case Transpose.ROTATE_90:
            turned = np.rot90(pixels, 1)
        case Transpose.ROTATE_270:
            turned = np.rot90(pixels, 3)
    return np.ascontiguousarray(turned)
