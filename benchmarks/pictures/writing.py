"""Files that Pillow does not write: PNGs and bitmaps of any depth, TIFFs of any layout."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any, Literal

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
SIZE = (64, 48)


def picture(seed: int = 0) -> Pixels:
    """Soft coloured noise, (48, 64, 3): no symmetry, no flat part, and little for a lossy format to lose."""
    noise = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(noise).resize(SIZE, Image.Resampling.BICUBIC))


def grey_of(pixels: Pixels) -> Pixels:
    """(H, W)."""
    return np.asarray(Image.fromarray(pixels).convert("L"))


def three(grey: NDArray[Any]) -> Pixels:
    """A grey picture (H, W) in three equal channels."""
    return np.repeat(np.asarray(grey, np.uint8)[..., None], 3, axis=2)


def on_white(pixels: NDArray[Any], alpha: Pixels) -> Pixels:
    """(H, W, 3), seen through alpha (H, W) on white paper."""
    share = alpha[..., None] / 255
    return np.rint(pixels * share + 255 * (1 - share)).astype(np.uint8)


def stretched(levels: Pixels, kind: str) -> NDArray[Any]:
    """8 bits over the whole range of numpy's `kind`; floats from 0 to 1."""
    shares = levels / 255
    if kind.startswith("f"):
        return shares.astype(kind)
    info = np.iinfo(kind)
    wide = np.rint(shares * float(info.max - info.min)) + float(info.min)
    return np.clip(
        wide, float(info.min), float(np.nextafter(float(info.max), 0)) if info.bits > 32 else info.max
    ).astype(kind)


def packed(values: NDArray[Any], bits: int) -> bytes:
    """One row of values, most significant bit first; the last byte is filled up."""
    if bits == 16:
        return values.astype(">u2").tobytes()
    one_by_one = (values.astype(np.uint16)[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(one_by_one.reshape(-1).astype(np.uint8)).tobytes()


def png(
    values: NDArray[Any], bits: int, colour: int, *chunks: tuple[bytes, bytes], after: tuple[bytes, bytes] | None = None
) -> bytes:
    """Values (H, W) or (H, W, channels) as a PNG of this depth and colour type, with these chunks before its pixels."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + packed(row.reshape(-1), bits) for row in values)
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    some = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), *([after] if after else []), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in some
    )


def bitmap(
    rows: NDArray[Any],
    bits: int,
    *,
    compression: int = 0,
    masks: tuple[int, ...] = (),
    colours: bytes = b"",
    size: int = 40,
) -> bytes:
    """Rows of bytes (H, bytes), the first on top, as a Windows bitmap with a header of 40, 108 or 124 bytes."""
    height = len(rows)
    width = rows.shape[1] * 8 // bits
    filled = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))
    inside = struct.pack(f"<{len(masks)}I", *masks)
    more = inside.ljust(size - 40, b"\0") if size > 40 else inside
    start = 54 + len(more) + len(colours)
    header = struct.pack(
        "<IiiHHIIiiII", size, width, -height, 1, bits, compression, filled.size, 0, 0, len(colours) // 4, 0
    )
    return b"BM" + struct.pack("<IHHI", start + filled.size, 0, 0, start) + header + more + colours + filled.tobytes()


def tiff(values: NDArray[Any], photometric: str, **options: Any) -> bytes:  # noqa: ANN401 - tifffile's own
    """Values as tifffile writes them."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, photometric=photometric, metadata=None, **options)
    return buffer.getvalue()


def tiff_pages(*pages: tuple[Pixels, int], byteorder: Literal["<", ">"]) -> bytes:
    """Several pictures, each with its NewSubfileType: 1 is a reduced copy, 2 a page of several."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, byteorder=byteorder) as writer:
        for pixels, kind in pages:
            writer.write(pixels, photometric="rgb", subfiletype=kind, metadata=None)
    return buffer.getvalue()


def packed_tiff(values: NDArray[Any], bits: int, photometric: int) -> bytes:
    """Greys (H, W) of fewer bits than a byte, or of 12: tifffile packs none of these."""
    data = b"".join(packed(row, bits) for row in values)
    height, width = values.shape
    short, long = 3, 4
    tags = [(256, long, width), (257, long, height), (258, short, bits), (259, short, 1), (262, short, photometric)]
    tags += [(273, long, 8), (277, short, 1), (278, long, height), (279, long, len(data))]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    end = b"\0" * (len(data) % 2)
    return (
        b"II*\0"
        + struct.pack("<I", 8 + len(data) + len(end))
        + data
        + end
        + struct.pack("<H", len(tags))
        + entries
        + bytes(4)
    )


def saved(pixels: Image.Image, form: str, **options: Any) -> bytes:  # noqa: ANN401 - Pillow's own
    """The bytes of a file as Pillow writes it."""
    buffer = io.BytesIO()
    pixels.save(buffer, form, **options)
    return buffer.getvalue()
