"""TIFFs of every photometric interpretation, depth, sample format, byte order, layout and compression."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from benchmarks.pictures.coarse_colours import coarse_colours
from benchmarks.pictures.jpeg_tiffs import jpeg_tiffs
from benchmarks.pictures.writing import (
    Pixels,
    grey_of,
    on_white,
    packed_tiff,
    picture,
    saved,
    stretched,
    three,
    tiff,
    tiff_pages,
)

Found = tuple[str, bytes, Pixels]
ORDERS: dict[Literal["<", ">"], str] = {"<": "little-endian", ">": "big-endian"}
DEPTHS = ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "f2", "f4", "f8")
SQUEEZED = (None, "lzw", "packbits", "deflate", "zstd", "lzma")
FEW = (None, "deflate")
STRANGE = ("webp", "jpeg2000", "jpegxl", "jpegxr", "lerc", "png")


def tiffs() -> Iterator[Found]:
    """What the file is, its bytes, and the picture in it."""
    yield from _greys()
    yield from _packed_greys()
    yield from _faxes()
    yield from _colours()
    yield from _with_alpha()
    yield from _palettes()
    yield from _inks_and_others()
    yield from _strangely_compressed()
    yield from _floats_and_wide_ones()
    yield from _pages()
    yield from jpeg_tiffs()
    yield from coarse_colours()


def _greys() -> Iterator[Found]:
    grey = grey_of(picture())
    for order, white, depth, compression in product(ORDERS, (False, True), DEPTHS, SQUEEZED):
        if compression in FEW or depth in ("u1", "u2", "i2", "f4"):
            options = {"byteorder": order, "compression": compression}
            name = (
                f"grey, white is {'zero' if white else 'the largest'}, {depth}, {ORDERS[order]}, {compression or 'raw'}"
            )
            yield (
                name,
                tiff(stretched(grey, depth), "miniswhite" if white else "minisblack", **options),
                three(255 - grey if white else grey),
            )
    for order, depth in product(ORDERS, ("u1", "u2", "f4")):
        more: dict[str, Any] = {"byteorder": order, "tile": (16, 16), "compression": "deflate"}
        yield f"grey, tiled, {depth}, {ORDERS[order]}", tiff(stretched(grey, depth), "minisblack", **more), three(grey)
        more = {"byteorder": order, "compression": "deflate", "predictor": True}
        yield (
            f"grey, predicted, {depth}, {ORDERS[order]}",
            tiff(stretched(grey, depth), "minisblack", **more),
            three(grey),
        )


def _packed_greys() -> Iterator[Found]:
    grey = grey_of(picture())
    for bits, photometric in product((1, 2, 4, 12, 16), (0, 1)):
        values = np.rint(grey / 255 * (2**bits - 1)).astype(np.uint16)
        seen = np.rint(values / (2**bits - 1) * 255).astype(np.uint8)
        if bits < 16:
            name = f"grey, white is {'the largest' if photometric else 'zero'}, {bits} bits"
            yield name, packed_tiff(values, bits, photometric), three(seen if photometric else 255 - seen)


def _faxes() -> Iterator[Found]:
    black_and_white = Image.fromarray(grey_of(picture())).convert("1")
    for compression in ("tiff_ccitt", "group3", "group4"):
        yield (
            f"1 bit, {compression}",
            saved(black_and_white, "TIFF", compression=compression),
            three(np.asarray(black_and_white.convert("L"))),
        )


def _colours() -> Iterator[Found]:
    pixels = picture()
    for order, depth, planar, compression in product(ORDERS, DEPTHS, ("contig", "separate"), FEW):
        values = stretched(pixels, depth)
        values = values if planar == "contig" else values.transpose(2, 0, 1)
        name = (
            f"RGB, {depth}, {'planes' if planar == 'separate' else 'pixels'}, {ORDERS[order]}, {compression or 'raw'}"
        )
        yield name, tiff(values, "rgb", byteorder=order, planarconfig=planar, compression=compression), pixels
    for order, big, compression in product(ORDERS, (False, True), SQUEEZED):
        more = {"byteorder": order, "bigtiff": big, "compression": compression, "tile": (16, 16) if big else None}
        name = f"RGB, {'BigTIFF, tiled' if big else 'TIFF'}, {ORDERS[order]}, {compression or 'raw'}"
        yield name, tiff(pixels, "rgb", **more), pixels


def _with_alpha() -> Iterator[Found]:
    pixels, alpha = picture(), grey_of(picture(1))
    grey = grey_of(pixels)
    for order, depth, extra, planar in product(
        ORDERS, ("u1", "u2"), ("unassalpha", "assocalpha", "unspecified"), ("contig", "separate")
    ):
        seen = pixels if extra == "unspecified" else on_white(pixels, alpha)
        stored = pixels if extra != "assocalpha" else np.rint(pixels * (alpha[..., None] / 255)).astype(np.uint8)
        values = stretched(np.dstack([stored, alpha]), depth)
        values = values if planar == "contig" else values.transpose(2, 0, 1)
        options: dict[str, Any] = {"byteorder": order, "extrasamples": [extra], "planarconfig": planar}
        yield f"RGB and {extra}, {depth}, {planar}, {ORDERS[order]}", tiff(values, "rgb", **options), seen
        if planar == "contig" or depth == "u1":
            shown = three(grey) if extra == "unspecified" else on_white(three(grey), alpha)
            one = grey if extra != "assocalpha" else np.rint(grey * (alpha / 255)).astype(np.uint8)
            two = stretched(np.dstack([one, alpha]) if planar == "contig" else np.stack([one, alpha]), depth)
            for compression in FEW:
                name = f"grey and {extra}, {depth}, {planar}, {ORDERS[order]}, {compression or 'raw'}"
                yield name, tiff(two, "minisblack", compression=compression, **options), shown


def _palettes() -> Iterator[Found]:
    few = Image.fromarray(picture()).quantize(200)
    colours = np.array((few.getpalette() or [])[:600] + [0] * 168, np.uint16).reshape(256, 3).T
    seen = np.asarray(few.convert("RGB"))
    for order, wide, compression in product(ORDERS, (True, False), FEW):
        name = f"palette of {16 if wide else 8} bits, {ORDERS[order]}, {compression or 'raw'}"
        options = {"byteorder": order, "compression": compression, "colormap": colours * (257 if wide else 1)}
        yield name, tiff(np.asarray(few), "palette", **options), seen


def _inks_and_others() -> Iterator[Found]:
    pixels, alpha = picture(), grey_of(picture(1))
    inks = np.dstack([255 - pixels, np.zeros_like(alpha)])
    lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    in_lab = np.asarray(ImageCms.applyTransform(Image.fromarray(pixels), lab))
    in_ycc = np.asarray(Image.fromarray(pixels).convert("YCbCr"))
    for order, depth, compression in product(ORDERS, ("u1", "u2", "f4"), FEW):
        tail = f"{depth}, {ORDERS[order]}, {compression or 'raw'}"
        options: dict[str, Any] = {"byteorder": order, "compression": compression}
        yield f"CMYK, {tail}", tiff(stretched(inks, depth), "separated", **options), pixels
        planes = stretched(inks.transpose(2, 0, 1), depth)
        yield f"CMYK in planes, {tail}", tiff(planes, "separated", planarconfig="separate", **options), pixels
        with_alpha = stretched(np.dstack([inks, alpha]), depth)
        yield (
            f"CMYK and alpha, {tail}",
            tiff(with_alpha, "separated", extrasamples=["unassalpha"], **options),
            on_white(pixels, alpha),
        )
        yield f"Lab, {tail}", tiff(stretched(in_lab, depth), "cielab", **options), pixels
        if depth == "u1":
            yield f"YCbCr, {tail}", tiff(in_ycc, "ycbcr", subsampling=(1, 1), **options), pixels
            planes = in_ycc.transpose(2, 0, 1)
            yield (
                f"YCbCr in planes, {tail}",
                tiff(planes, "ycbcr", subsampling=(1, 1), planarconfig="separate", **options),
                pixels,
            )


def _strangely_compressed() -> Iterator[Found]:
    pixels = picture()
    for order, compression in product(ORDERS, STRANGE):
        exact = {"compressionargs": {"lossless": True}} if compression == "webp" else {}
        yield (
            f"RGB, {compression}, {ORDERS[order]}",
            tiff(pixels, "rgb", byteorder=order, compression=compression, **exact),
            pixels,
        )
    for order, white in product(ORDERS, (True, False)):
        grey = grey_of(pixels)
        options: dict[str, Any] = {"byteorder": order, "compression": "jpeg", "compressionargs": {"level": 95}}
        yield (
            f"grey, white is {'zero' if white else 'the largest'}, JPEG, {ORDERS[order]}",
            tiff(grey, "miniswhite" if white else "minisblack", **options),
            three(255 - grey if white else grey),
        )
        yield f"RGB, JPEG, {ORDERS[order]}, {white}", tiff(pixels, "rgb", **options), pixels


def _floats_and_wide_ones() -> Iterator[Found]:
    """Values that say nothing of their white: docs/pictures.md has the rule."""
    grey = grey_of(picture())
    share = (grey / 255).astype(np.float32)
    holes = np.zeros(grey.shape, bool)
    holes[:12, :20] = True
    without = np.where(holes, 0, grey)
    marked: dict[str, tuple[NDArray[Any], Pixels, dict[str, Any]]] = {
        "one pixel above 1": (_with_one(share, 1.01), grey, {}),
        "one pixel far above": (_with_one(share, 60000), grey, {}),
        "0 to 255": (share * 255, grey, {}),
        "0 to 65535": (share * 65535, grey, {}),
        "holes of NaN": (np.where(holes, np.nan, share), without, {}),
        "holes of -9999": (np.where(holes, -9999, share), without, {}),
        "holes of the least float": (np.where(holes, np.finfo(np.float32).min, share), without, {}),
        "holes that GDAL_NODATA names": (
            np.where(holes, -1, share),
            without,
            {"extratags": [(42113, "s", 0, "-1", True)]},
        ),
        "a declared range": (
            share * 10 - 4,
            grey,
            {"extratags": [(340, "f", 1, -4.0, True), (341, "f", 1, 6.0, True)]},
        ),
    }
    for name, (values, seen, options) in marked.items():
        yield f"floats, {name}", tiff(values.astype(np.float32), "minisblack", **options), three(seen)
    for depth, most in (("u4", 255), ("u4", 65535), ("i4", 255), ("i4", 65535), ("i2", 255), ("i2", 32767)):
        yield f"{depth}, 0 to {most}", tiff(np.rint(share * most).astype(depth), "minisblack"), three(grey)
    computed = np.rint(share * 4095 - 1024).astype(np.int16)  # computed tomography
    yield "i2, -1024 to 3071", tiff(computed, "minisblack"), three(grey)


def _pages() -> Iterator[Found]:
    """A reduced copy is not the picture; of whole pages the first is."""
    pixels = picture()
    small = pixels[::4, ::4]
    for order, name in ORDERS.items():
        yield f"a thumbnail before it, {name}", tiff_pages((small, 1), (pixels, 0), byteorder=order), pixels
        yield f"a thumbnail after it, {name}", tiff_pages((pixels, 0), (small, 1), byteorder=order), pixels
        yield f"another page after it, {name}", tiff_pages((pixels, 2), (picture(1), 2), byteorder=order), pixels


def _with_one(values: NDArray[Any], odd: float) -> NDArray[Any]:
    changed = values.copy()
    changed[0, 0] = odd
    return changed
