"""TIFFs with JPEGs inside, in strips, tiles and planes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.pictures.writing import Pixels, grey_of, picture, saved, three, tiff

LAYOUTS: dict[str, dict[str, Any]] = {
    "a strip": {},
    "strips": {"rowsperstrip": 16},
    "tiles": {"tile": (16, 16)},
    "BigTIFF": {"bigtiff": True},
}


def jpeg_tiffs() -> Iterator[tuple[str, bytes, Pixels]]:
    """What the file is, its bytes, and the picture in it."""
    pixels = picture()
    grey = grey_of(pixels)
    inks = np.dstack([255 - pixels, np.zeros_like(grey)])
    both = np.dstack([grey, np.full_like(grey, 255)])
    for layout in LAYOUTS:
        yield f"RGB, JPEG, {layout}", _tiff(pixels, "rgb", layout), pixels
        yield f"CMYK, JPEG, {layout}", _tiff(inks, "separated", layout, planarconfig="contig"), pixels
        planes = _tiff(pixels.transpose(2, 0, 1), "rgb", layout, planarconfig="separate")
        yield f"RGB in planes, JPEG, {layout}", planes, pixels
        yield f"grey, lossless JPEG, {layout}", _tiff(grey, "minisblack", layout, lossless=True), three(grey)
        alpha = _tiff(both, "minisblack", layout, extrasamples=["unassalpha"], planarconfig="contig")
        yield f"grey and alpha, JPEG, {layout}", alpha, three(grey)
    for mode in ("RGB", "YCbCr"):
        shared = saved(Image.fromarray(pixels).convert(mode), "TIFF", compression="jpeg", quality=95)
        yield f"{mode}, JPEG with shared tables", shared, pixels


def _tiff(values: Pixels, photometric: str, layout: str, *, lossless: bool = False, **options: Any) -> bytes:  # noqa: ANN401 - tifffile's own
    arguments = {"lossless": True} if lossless else {"level": 95}  # anew each time: tifffile adds to them
    return tiff(values, photometric, compression="jpeg", compressionargs=arguments, **LAYOUTS[layout], **options)
