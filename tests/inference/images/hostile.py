"""Files that no camera writes, made by code: what they claim is not what they hold."""

from __future__ import annotations

import struct
import zlib

from PIL import Image

from tests.inference.images.pictures import corners, encoded, jpeg

BYTE, ASCII, SHORT, LONG, SIGNED_SHORT, LONG8 = 1, 2, 3, 4, 8, 16
_FORMS = {BYTE: "B", ASCII: "B", SHORT: "H", LONG: "I", SIGNED_SHORT: "h", LONG8: "Q"}

Tags = dict[int, tuple[int, tuple[int, ...]]]
SOLID = Image.new("RGB", (16, 16), "red")


def zeros(size_bytes: int) -> bytes:
    """So many zeros, deflated to a thousandth."""
    packer, block = zlib.compressobj(1), bytes(1 << 20)
    whole, rest = divmod(size_bytes, len(block))
    return b"".join([*(packer.compress(block) for _ in range(whole)), packer.compress(block[:rest]), packer.flush()])


def png(
    width: int, height: int, *more: tuple[bytes, bytes], colour: int = 2, depth: int = 8, pixels: bytes = b""
) -> bytes:
    """A PNG with this header, these chunks and these deflated pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in [(b"IHDR", header), *more, (b"IDAT", pixels), (b"IEND", b"")]
    )


def tiff(tags: Tags, data: bytes = b"", *, next_directory: int = 0, big: bool = False) -> bytes:
    """A little-endian TIFF of one directory; `data` begins at byte 8, or at byte 16 of a BigTIFF."""
    start, inline, form = (16, 8, "<HHQ") if big else (8, 4, "<HHI")
    pointer = "<Q" if big else "<I"
    begin = start + len(data)
    count = struct.pack("<Q" if big else "<H", len(tags))
    place = begin + len(count) + (len(tags) * (20 if big else 12)) + inline
    entries = outside = b""
    for tag, (kind, values) in sorted(tags.items()):
        raw = struct.pack(f"<{len(values)}{_FORMS[kind]}", *values)
        entries += struct.pack(form, tag, kind, len(values))
        entries += raw.ljust(inline, b"\0") if len(raw) <= inline else struct.pack(pointer, place + len(outside))
        outside += raw if len(raw) > inline else b""
    head = b"II+\0" + struct.pack("<HHQ", 8, 0, begin) if big else b"II*\0" + struct.pack("<I", begin)
    return head + data + count + entries + struct.pack(pointer, next_directory) + outside


def grey(width: int, height: int, compression: int, **changes: tuple[int, tuple[int, ...]]) -> Tags:
    """The tags of a grey picture; `t322=(LONG, (16,))` changes tag 322."""
    sizes = {256: (LONG, (width,)), 257: (LONG, (height,)), 258: (SHORT, (8,)), 259: (SHORT, (compression,))}
    return sizes | {262: (SHORT, (1,)), 277: (SHORT, (1,))} | {int(tag[1:]): it for tag, it in changes.items()}


def tiled(side: int, tile_side: int, data: bytes, *, big: bool = False) -> bytes:
    """A deflated grey TIFF in one tile that may be larger than the picture."""
    tile = {"t322": (LONG, (tile_side,)), "t323": (LONG, (tile_side,))}
    offsets = {"t324": (LONG, (16 if big else 8,)), "t325": (LONG, (len(data),))}
    return tiff(grey(side, side, 8, **tile, **offsets), data, big=big)


def in_strips(width: int, height: int, compression: int, data: bytes) -> bytes:
    """A grey TIFF of which every row is a strip, and every strip is the whole of `data`."""
    strips = {"t278": (LONG, (1,)), "t273": (LONG, (8,) * height), "t279": (LONG, (len(data),) * height)}
    return tiff(grey(width, height, compression, **strips), data)


def bitmap(width: int, height: int, *, bits: int = 24, compression: int = 0, data: bytes = b"") -> bytes:
    """A bitmap with this header; with 256 black colours, if it has colours."""
    colours = bytes(1024) if bits == 8 else b""
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, len(colours) // 4, 0)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + len(colours)) + header + colours + data


def gif(width: int, height: int, frame: tuple[int, int] = (16, 16), frames: int = 1, more: bytes = b"") -> bytes:
    """A GIF with a screen of this size, and frames of that one."""
    whole = encoded(Image.new("P", (16, 16)), "GIF")
    first = whole.index(b",", 13 + 3 * (2 << (whole[10] & 7)))
    picture = whole[first:-1].replace(struct.pack("<HH", 16, 16), struct.pack("<HH", *frame), 1)
    return whole[:6] + struct.pack("<HH", width, height) + whole[10:first] + more + picture * frames + b";"


def webp_on_a_canvas(width: int, height: int) -> bytes:
    """A moving WebP of two small frames on a canvas of this size."""
    whole = bytearray(encoded(SOLID, "WEBP", save_all=True, append_images=[Image.new("RGB", (16, 16), "blue")]))
    place = whole.index(b"VP8X") + 12
    whole[place : place + 6] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(whole)


def jpeg_segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def jpeg_with(*segments: bytes) -> bytes:
    """A JPEG with more segments at its beginning."""
    whole = jpeg(corners())
    return whole[:2] + b"".join(segments) + whole[2:]


def jpeg_of_scans(side: int, scans: int) -> bytes:
    """A progressive JPEG whose last scan is repeated until it has so many."""
    whole = encoded(Image.new("RGB", (side, side)), "JPEG", progressive=True)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + last * (scans - whole.count(b"\xff\xda")) + whole[-2:]


def jpeg_claiming(width: int, height: int) -> bytes:
    """A small JPEG whose header says that it is of this size."""
    whole = bytearray(jpeg(SOLID))
    place = whole.index(b"\xff\xc0") + 5
    whole[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(whole)


def exif(tags: Tags) -> bytes:
    """EXIF with these tags, as it lies in a JPEG."""
    return b"Exif\0\0" + tiff(tags)
