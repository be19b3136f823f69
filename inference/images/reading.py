"""Bytes become a picture: the one way, for training and for serving.

bytes -> format by first bytes -> no bomb -> size by header -> pixels -> RGB, upright
"""

from __future__ import annotations

import io
import struct
from typing import Literal

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import Base as ExifTag
from PIL.Image import Transpose

from inference.images.bombs import what_makes_it_a_bomb
from inference.images.formats import READABLE, looks_like

MAX_PIXELS = 50_000_000  # 150 MB as RGB; phones make 12 to 50 million
ROWS_AT_ONCE = 256  # of a transparent picture, laid on white
MAX_ASPECT = 100  # resizing the short side to 224 pixels makes the long side at most 22,400

# What Pillow 13 raised over three million damaged files of all formats that are read here, and, at the end, what its
# plugins are written to raise. OverflowError: over one in 35,000 TIFFs with the tags of others.
DAMAGED = (OSError, SyntaxError, ValueError, TypeError, EOFError, IndexError, OverflowError, struct.error)

# How a stored picture becomes upright: EXIF 2.32, tag Orientation. ImageOps.exif_transpose does the same, but writes
# the remaining EXIF anew, and raised over 2 % of damaged EXIFs whose orientation could be read.
UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}

Code = Literal["empty", "unsupported_format", "unreadable", "too_many_pixels", "too_slow"]


class UnreadableImage(Exception):
    """The rejection of an image: `code` for programs, `reason` in a sentence for a person."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code: Code = code
        self.reason = reason


def read_image(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The picture in `data`: RGB, 8 bit, upright as its EXIF says, without metadata; the first of several frames.

    Transparency lies on white, 16-bit and float greys are scaled, not clipped. Embedded colour profiles are not
    applied. The size is checked before a pixel is decoded. Raises UnreadableImage, and nothing else, for any bytes.
    """
    return picture_of(open_image(data, max_pixels))


def open_image(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The image in `data`, its header read and checked, its pixels not decoded yet. Raises UnreadableImage."""
    image = _open(data, max_pixels)
    _check_size(*image.size, max_pixels)
    return image


def picture_of(image: Image.Image) -> Image.Image:
    """The picture in an image that `open_image` opened, as `read_image` promises it. Raises UnreadableImage."""
    try:
        image.load()
        turn = turn_of(image)
        picture = _rgb(image)
    except DAMAGED as error:
        raise _damaged(str(image.format), error) from error
    if turn is not None:
        picture = picture.transpose(turn)
    picture.info.clear()
    return picture


def turn_of(image: Image.Image) -> Transpose | None:
    """What turns the picture upright; None if the EXIF is missing or broken: a bad tag does not cost the picture."""
    try:
        return UPRIGHT.get(image.getexif().get(ExifTag.Orientation, 1))
    except DAMAGED:
        return None


def _open(data: bytes, max_pixels: int) -> Image.Image:
    kind = looks_like(data)
    if not data:
        raise UnreadableImage("unreadable", "The file is empty. Upload it again.")
    if kind not in READABLE:
        seen = f"This is {kind}" if kind else "These bytes are no image format that is known here"
        raise UnreadableImage("unsupported_format", f"{seen}. Convert it to JPEG or PNG and send it again.")
    if bomb := what_makes_it_a_bomb(kind, data, max_pixels):
        raise UnreadableImage("too_many_pixels", f"The {kind} {bomb}. Save it anew and send it again.")
    try:
        return Image.open(io.BytesIO(data), formats=[kind])
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableImage("too_many_pixels", f"The image has far more pixels than {_limit(max_pixels)}") from error
    except DAMAGED as error:
        raise _damaged(kind, error) from error


def _check_size(width: int, height: int, max_pixels: int) -> None:
    size = f"The image is {width} x {height} pixels"
    if width * height > max_pixels:
        raise UnreadableImage("too_many_pixels", f"{size}, more than {_limit(max_pixels)}")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise UnreadableImage(
            "unreadable", f"{size}: one side is over {MAX_ASPECT} times the other. Crop it and send it again."
        )


def _limit(max_pixels: int) -> str:
    return f"the limit of {max_pixels / 1e6:g} million. Scale it down and send it again."


def _damaged(kind: str, error: Exception) -> UnreadableImage:
    detail = "no size in its header" if isinstance(error, UnidentifiedImageError) else error
    return UnreadableImage(
        "unreadable", f"The file begins like a {kind} but is damaged or cut short ({detail}). Upload it again."
    )


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _eight_bit(image).convert("RGB")
    if image.mode == "P" and image.palette is None:
        raise ValueError("its palette is missing")
    if not image.has_transparency_data:
        return image.convert("RGB")
    picture = Image.new("RGB", image.size)
    for top in range(0, image.height, ROWS_AT_ONCE):  # as a whole it would be in memory four times
        coloured = image.crop((0, top, image.width, min(top + ROWS_AT_ONCE, image.height))).convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        picture.paste(Image.alpha_composite(white, coloured).convert("RGB"), (0, top))
    return picture


def _eight_bit(image: Image.Image) -> Image.Image:
    """Greys of 16 bit, 32 bit or float, as 8 bit.

    White is 65535 in a 16-bit file. The others declare no white: it is 1 (floats), 255 or 65535, the first that holds
    the brightest pixel, else that pixel.
    """
    values = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0.0, neginf=0.0)
    black = min(0.0, float(values.min()))
    brightest = float(values.max()) - black
    if image.mode.startswith("I;16"):
        white = 65535.0
    else:
        known = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
        white = next((level for level in known if level >= brightest), brightest)
    grey = np.rint((values - black) * (255.0 / white)).astype(np.uint8)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey[values == clear] = 255
    return Image.fromarray(grey)
