"""Photos as people really send them: turned, grey, transparent, moving, tiny, huge."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from benchmarks.pictures.writing import tiff
from tests.inference.images.pictures import GREEN_AND_RED_EXCHANGED, ORIENTATION, encoded, heic, jpeg


def soft(width: int, height: int, seed: int = 0) -> Image.Image:
    """Soft spots of many colours, the same for the same seed: no two corners are alike."""
    spots = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(spots).resize((width, height), Image.Resampling.BICUBIC)


def odd_photos() -> Iterator[tuple[str, bytes]]:
    """Names and files; each of them can be read."""
    photo, more = soft(160, 120), {"save_all": True, "append_images": [soft(160, 120, seed=1)]}
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        yield f"turned {orientation}.jpg", jpeg(photo, exif=exif)
        yield f"large and turned {orientation}.jpg", jpeg(soft(640, 512), exif=exif)
    yield "grey.jpg", jpeg(photo.convert("L"))
    yield "CMYK.jpg", jpeg(photo.convert("CMYK"))
    yield "progressive.jpg", jpeg(photo, progressive=True)
    yield "as cameras pack colours.jpg", jpeg(photo, subsampling=2)
    yield "two views.mpo", encoded(photo, "MPO", **more)
    for part, size in ((2, (640, 480)), (4, (1024, 768)), (8, (1600, 1200))):
        yield f"at a fraction of 1 in {part}.jpg", jpeg(soft(*size), quality=90)
        yield f"grey at a fraction of 1 in {part}.jpg", jpeg(soft(*size).convert("L"), quality=90)
    yield "large of odd sides.jpg", jpeg(soft(1601, 1203), quality=90)
    clear = photo.copy()
    clear.putalpha(soft(160, 120, seed=2).convert("L"))
    yield "clear.png", encoded(clear, "PNG")
    yield "clear grey.png", encoded(clear.convert("LA"), "PNG")
    yield "palette.png", encoded(photo.quantize(64), "PNG", transparency=bytes(range(64)))
    deep = np.random.default_rng(3).integers(0, 65536, (12, 16), dtype=np.uint16)
    yield "16 bit.png", encoded(Image.fromarray(deep), "PNG")
    yield "floats.tiff", encoded(Image.fromarray(deep.astype(np.float32) / 65535), "TIFF")
    yield "16 bit, white is 0.tiff", tiff(deep, "miniswhite", compression="lzw")
    yield "floats with a hole.tiff", tiff(np.where(deep > 60_000, -9999, deep / 65535).astype(np.float32), "minisblack")
    yield "from a phone.heic", heic(photo)
    yield "from a phone, clear.heic", heic(clear)
    yield "from a phone.avif", encoded(photo, "AVIF")
    yield "of other colours.jpg", jpeg(soft(640, 480), icc_profile=GREEN_AND_RED_EXCHANGED)
    yield "without its end mark.jpg", jpeg(soft(640, 480))[:-2]
    yield "black and white.png", encoded(photo.convert("1"), "PNG")
    yield "moving.gif", encoded(photo, "GIF", **more)
    yield "moving.webp", encoded(photo, "WEBP", lossless=True, **more)
    yield "moving.png", encoded(photo, "PNG", **more)
    yield "bitmap.bmp", encoded(photo, "BMP")
    yield "one pixel.png", encoded(soft(1, 1), "PNG")
    yield "one pixel.jpg", jpeg(soft(1, 1))
    yield "very wide.jpg", jpeg(soft(990, 10))
    yield "very high.png", encoded(soft(7, 700), "PNG")
