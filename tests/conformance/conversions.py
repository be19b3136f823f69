"""Files that do not show their picture by their pixels alone, each with the picture stored plainly beside it.

Always the same bytes. No picture looks like itself when it is turned, and no two are alike.
"""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from tests.inference.images.pictures import ORIENTATION, STORED_AS, encoded

SIZE = (240, 120)  # a turned one is cut elsewhere, too


class Odd(NamedTuple):
    """A file, and two lossless PNGs: the picture as it is to be seen, and as a server sees it that breaks the promise."""

    kind: str
    file: bytes
    seen: bytes
    mistaken: bytes


@cache
def turned() -> Sequence[Odd]:
    """Pictures that lie in their files as a camera was held, and EXIF says how."""
    return [
        *(_turned(orientation, "JPEG", quality=95, subsampling=0) for orientation in range(2, 9)),
        _turned(6, "PNG"),
    ]


@cache
def transparent() -> Sequence[Odd]:
    """Pictures that can be seen through; mistaken are those whose transparency is dropped."""
    found = []
    for number, (mode, kind, options) in enumerate(
        [("RGB", "PNG", {}), ("L", "PNG", {}), ("RGB", "WEBP", {"lossless": True, "exact": True})]
    ):
        colours, veil = _sided(number).convert(mode), _sided(number + 10).convert("L")
        seen = Image.composite(colours, Image.new(mode, SIZE, "white"), veil)
        clear = colours.copy()
        clear.putalpha(veil)
        found.append(Odd(f"transparent {kind} ({mode})", encoded(clear, kind, **options), plain(seen), plain(colours)))
    for number, kind in ((3, "PNG"), (4, "GIF")):
        palette = _sided(number).quantize(4)
        hole = palette.point([255] + [0] * 255, "L")  # the position of the first of the four colours
        seen = Image.composite(Image.new("RGB", SIZE, "white"), palette.convert("RGB"), hole)
        found.append(
            Odd(f"{kind} with a clear colour", encoded(palette, kind, transparency=0), plain(seen), plain(palette))
        )
    return found


@cache
def sixteen_bit() -> Sequence[Odd]:
    """Greys of 16 bits, of which 65535 is white; mistaken are those that are cut off at 255, and so white."""
    found = []
    for number, kind in ((0, "PNG"), (1, "PNG"), (2, "TIFF")):
        grey = _sided(number).convert("L").point(lambda level: 20 + level // 2)
        deep = np.asarray(grey, dtype=np.uint16) * 257
        clipped = Image.fromarray(np.minimum(deep, 255).astype(np.uint8))
        found.append(Odd(f"{kind} of 16 bits", encoded(Image.fromarray(deep), kind), plain(grey), plain(clipped)))
    return found


@cache
def of_several_frames() -> Sequence[Odd]:
    """Animations, and a file of several pages; mistaken is the last frame for the first."""
    found = []
    for number, (kind, options) in enumerate([("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})]):
        first, last = _sided(number), ImageOps.invert(_sided(number + 10))
        if kind == "GIF":
            first, last = first.quantize(64), last.quantize(64)
        file = encoded(first, kind, save_all=True, append_images=[last], **options)
        found.append(Odd(f"{kind} of two frames", file, plain(first), plain(last)))
    return found


def plain(picture: Image.Image) -> bytes:
    """A PNG of nothing but pixels: RGB, 8 bit."""
    bare = picture.convert("RGB")
    bare.info.clear()
    return encoded(bare, "PNG")


def _turned(orientation: int, kind: str, **options: object) -> Odd:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    turn = STORED_AS[orientation]
    assert turn is not None
    file = encoded(_sided(orientation).transpose(turn), kind, exif=exif, **options)
    lying = Image.open(io.BytesIO(file))
    lying.load()
    return Odd(
        f"{kind} of the EXIF orientation {orientation}", file, plain(ImageOps.exif_transpose(lying)), plain(lying)
    )


def _sided(number: int) -> Image.Image:
    """Spots of strong colours, bright and warm at the top left, dark and cold at the bottom right."""
    spots = np.frombuffer(random.Random(number).randbytes(3 * 6 * 3), np.uint8).reshape(3, 6, 3)
    down, across = np.mgrid[0:1:3j, 0:1:6j]
    weights = np.stack([1 - 0.9 * across, 1 - 0.9 * down, 0.1 + 0.6 * across * down], axis=-1)
    coloured = (127 * (spots > 127) + 128) * weights
    return Image.fromarray(coloured.astype(np.uint8)).resize(SIZE, Image.Resampling.BICUBIC)
