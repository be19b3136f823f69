"""TIFFs in YCbCr whose colours are stored once for several pixels: tifffile writes none that are not JPEGs."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from itertools import product

import imagecodecs
import numpy as np
from PIL import Image

from benchmarks.pictures.writing import SIZE, Pixels, picture

BLOCKS = ((2, 2), (2, 1), (1, 2), (4, 1), (4, 4))  # pixels across and down that share their colours
LAYOUTS = {"strip": (*SIZE, False), "strips": (SIZE[0], 16, False), "tiles": (16, 16, True)}
PACKED: dict[str, tuple[int, Callable[[bytes], bytes | bytearray | memoryview]]] = {
    "raw": (1, bytes),
    "lzw": (5, imagecodecs.lzw_encode),
    "deflate": (8, imagecodecs.deflate_encode),
    "packbits": (32773, imagecodecs.packbits_encode),
}
Tags = dict[int, tuple[int, tuple[int, ...]]]
SHORT, LONG, RATIONAL = 3, 4, 5
_LETTERS = {SHORT: "H", LONG: "I", RATIONAL: "I"}
FULL_RANGE = (0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1)  # ReferenceBlackWhite, in fractions


def coarse_picture() -> Pixels:
    """With one colour in every 4 x 4 pixels, so that no kind of block loses any."""
    lightness = np.asarray(Image.fromarray(picture()).convert("L"))
    colours = np.asarray(Image.fromarray(picture(1)).convert("YCbCr"))[::4, ::4, 1:].repeat(4, axis=0).repeat(4, axis=1)
    return np.dstack([lightness, colours // 2 + 64])


def coarse_colours() -> Iterator[tuple[str, bytes, Pixels]]:
    """What the file is, its bytes, and the picture in it."""
    seen = np.asarray(Image.fromarray(coarse_picture(), "YCbCr").convert("RGB"))
    for block, layout, packing, order in product(BLOCKS, LAYOUTS, PACKED, "<>"):
        if order == "<" or packing == "raw":
            name = f"YCbCr, colours for {block[0]} x {block[1]}, {layout}, {packing}, {order}"
            yield name, coarse_tiff(block, layout, packing, order=order), seen
    for packing in PACKED:
        name = f"YCbCr, colours for 2 x 2 without the tag, {packing}"
        yield name, coarse_tiff((2, 2), "strip", packing, is_tagged=False), seen
    yield (
        "YCbCr, colours for each pixel without the tag, raw",
        coarse_tiff((1, 1), "strip", "raw", is_tagged=False),
        seen,
    )


def coarse_tiff(
    block: tuple[int, int],
    layout: str,
    packing: str,
    *,
    order: str = "<",
    is_tagged: bool = True,
    orientation: int = 1,
    behind: bytes = b"",
) -> bytes:
    """`coarse_picture` in blocks: all their lightness, then their one Cb and Cr; `behind` lies after the pixels."""
    width, height, is_tiled = LAYOUTS[layout]
    compression, pack = PACKED[packing]
    pixels = coarse_picture()
    pieces = [
        bytes(pack(_blocks(pixels[top : top + height, left : left + width], *block)))
        for top in range(0, SIZE[1], height)
        for left in range(0, SIZE[0], width)
    ]
    sizes = tuple(len(piece) for piece in pieces)
    places = tuple(8 + sum(sizes[:n]) for n in range(len(sizes)))
    tags: Tags = {256: (LONG, SIZE[:1]), 257: (LONG, SIZE[1:]), 258: (SHORT, (8, 8, 8)), 259: (SHORT, (compression,))}
    tags |= {262: (SHORT, (6,)), 274: (SHORT, (orientation,)), 277: (SHORT, (3,)), 532: (RATIONAL, FULL_RANGE)}
    tags |= {324: (LONG, places), 325: (LONG, sizes)} if is_tiled else {273: (LONG, places), 279: (LONG, sizes)}
    tags |= {322: (LONG, (width,)), 323: (LONG, (height,))} if is_tiled else {278: (LONG, (height,))}
    tags |= {530: (SHORT, block)} if is_tagged else {}
    return _file(tags, b"".join(pieces) + behind, order)


def _blocks(pixels: Pixels, across: int, down: int) -> bytes:
    height, width = pixels.shape[:2]
    split = pixels.reshape(height // down, down, width // across, across, 3).swapaxes(1, 2)
    lightness = split[..., 0].reshape(*split.shape[:2], -1)
    return np.concatenate([lightness, split[:, :, 0, 0, 1:]], axis=2).tobytes()


def _file(tags: Tags, data: bytes, order: str) -> bytes:
    data += bytes(len(data) % 2)
    start = 8 + len(data)
    place, entries, outside = start + 2 + 12 * len(tags) + 4, b"", b""
    for tag, (kind, values) in sorted(tags.items()):
        raw = struct.pack(f"{order}{len(values)}{_LETTERS[kind]}", *values)
        amount = len(values) // (2 if kind == RATIONAL else 1)
        pointer = struct.pack(order + "I", place + len(outside))
        entries += struct.pack(order + "HHI", tag, kind, amount) + (raw.ljust(4, b"\0") if len(raw) <= 4 else pointer)
        outside += raw if len(raw) > 4 else b""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", start)
    return head + data + struct.pack(order + "H", len(tags)) + entries + bytes(4) + outside
