"""A picture in every format, mode and depth that can be written, with the picture that is in it."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import imagecodecs
import numpy as np
import pillow_heif
from PIL import Image

from benchmarks.pictures.tiff_kinds import tiffs
from benchmarks.pictures.writing import SIZE, Pixels, bitmap, grey_of, on_white, packed, picture, png, saved, three

LOSSY = 6.0  # levels of 255, on the mean: what a JPEG of quality 95 loses of noise, its chroma halved
EXACT = 2.0  # rounding, as of transparency
STRETCHED = 12.0  # black and white become the darkest and the brightest of this picture
RGBA_MASKS = (0x00FF0000, 0x0000FF00, 0x000000FF, 0xFF000000)


class Kind(NamedTuple):
    """One file: of which format, what kind, its bytes, the picture in it, and how far from it a reading may be."""

    form: str
    name: str
    data: bytes
    stored: Pixels
    alike: float


def kinds() -> Iterator[Kind]:
    """All of them, always the same."""
    for name, data, stored in tiffs():
        alike = STRETCHED if "-1024" in name else LOSSY if "JPEG" in name or "Lab" in name else EXACT
        yield Kind("TIFF", name, data, stored, alike)
    for form, found in (("PNG", _pngs()), ("BMP", _bitmaps()), ("GIF", _gifs()), ("WEBP", _webps())):
        for name, data, stored in found:
            yield Kind(form, name, data, stored, LOSSY if "lossy" in name else EXACT)
    for form, found in (("JPEG", _jpegs()), ("HEIC", _heics()), ("AVIF", _avifs())):
        for name, data, stored in found:
            yield Kind(form, name, data, stored, LOSSY)


Found = tuple[str, bytes, Pixels]


def _pngs() -> Iterator[Found]:
    pixels, alpha = picture(), grey_of(picture(1))
    grey = grey_of(pixels)
    for bits in (1, 2, 4, 8, 16):
        most = 2**bits - 1
        values = np.rint(grey / 255 * most).astype(np.uint16)
        seen = np.rint(values / most * 255).astype(np.uint8)
        yield f"grey, {bits} bits", png(values, bits, 0), three(seen)
        hole = int(values[24, 32])
        yield (
            f"grey, {bits} bits, one clear",
            png(values, bits, 0, (b"tRNS", struct.pack(">H", hole))),
            three(np.where(values == hole, 255, seen)),
        )
    for bits in (1, 2, 4, 8):
        few = Image.fromarray(pixels).quantize(2**bits)
        index, colours = np.asarray(few), bytes(few.getpalette() or b"")[: 3 * 2**bits]
        seen = np.asarray(few.convert("RGB"))
        yield f"palette, {bits} bits", png(index, bits, 3, (b"PLTE", colours)), seen
        clear = np.where(index == 0, 0, 255).astype(np.uint8)
        yield (
            f"palette, {bits} bits, one clear",
            png(index, bits, 3, (b"PLTE", colours), (b"tRNS", b"\0")),
            on_white(seen, clear),
        )
    for bits in (8, 16):
        times = 257 if bits == 16 else 1
        wide = pixels.astype(np.uint16) * times
        wide[:9, :9] = wide[0, 0]
        shown = (wide // times).astype(np.uint8)
        yield f"RGB, {bits} bits", png(wide, bits, 2), shown
        clear = np.where((wide == wide[0, 0]).all(axis=2), 0, 255).astype(np.uint8)
        yield (
            f"RGB, {bits} bits, one clear",
            png(wide, bits, 2, (b"tRNS", struct.pack(">3H", *wide[0, 0]))),
            on_white(shown, clear),
        )
        both = np.dstack([pixels, alpha]).astype(np.uint16) * times
        yield f"RGB and alpha, {bits} bits", png(both, bits, 6), on_white(pixels, alpha)
        two = np.dstack([grey, alpha]).astype(np.uint16) * times
        yield f"grey and alpha, {bits} bits", png(two, bits, 4), on_white(three(grey), alpha)
    yield "interlaced", saved(Image.fromarray(pixels), "PNG", interlace=1), pixels
    for name, content in {
        "pHYs": b"\0",
        "gAMA": b"",
        "iCCP": b"x",
        "zTXt": b"a\0\0broken",
        "sPLT": b"\0\0",
        "acTL": b"\0",
        "juNk": b"?",
    }.items():
        yield f"RGB with an odd {name}", png(pixels, 8, 2, (name.encode(), content)), pixels
        yield f"RGB with an odd {name} behind it", png(pixels, 8, 2, after=(name.encode(), content)), pixels


def _bitmaps() -> Iterator[Found]:
    pixels, alpha = picture(), grey_of(picture(1))
    bgr = pixels[..., ::-1]
    rows = np.ascontiguousarray(bgr).reshape(48, -1)
    yield "24 bits", bitmap(rows, 24), pixels
    for fill, size, masks in product((0, 255, None), (40, 108, 124), ((), RGBA_MASKS)):
        fourth = alpha if fill is None else np.full_like(alpha, fill)
        four = np.ascontiguousarray(np.dstack([bgr, fourth])).reshape(48, -1)
        has_alpha = bool(masks) and size > 40
        seen = on_white(pixels, alpha) if has_alpha and fill is None else pixels
        kept = masks if size > 40 else masks[:3]
        name = (
            f"32 bits, fourth byte {'varied' if fill is None else fill}, header of {size}{', masks' if masks else ''}"
        )
        yield name, bitmap(four, 32, compression=3 if masks else 0, masks=kept, size=size), seen
    five = (pixels >> 3).astype(np.uint16)
    of_15 = (five[..., 0] << 10 | five[..., 1] << 5 | five[..., 2]).astype("<u2")
    back = np.rint(five * 255 / 31).astype(np.uint8)
    yield "16 bits, 5 for each", bitmap(of_15.view(np.uint8).reshape(48, -1), 16), back
    of_16 = (five[..., 0] << 11 | (pixels[..., 1] >> 2).astype(np.uint16) << 5 | five[..., 2]).astype("<u2")
    back_16 = np.dstack([back[..., 0], np.rint((pixels[..., 1] >> 2) / 63 * 255).astype(np.uint8), back[..., 2]])
    yield (
        "16 bits, 6 for green",
        bitmap(of_16.view(np.uint8).reshape(48, -1), 16, compression=3, masks=(0xF800, 0x07E0, 0x001F)),
        back_16,
    )
    of_444 = (
        (pixels[..., 0] >> 4).astype(np.uint16) << 8
        | (pixels[..., 1] >> 4).astype(np.uint16) << 4
        | pixels[..., 2] >> 4
    ).astype("<u2")
    yield (
        "16 bits, odd masks",
        bitmap(of_444.view(np.uint8).reshape(48, -1), 16, compression=3, masks=(0xF00, 0xF0, 0xF)),
        np.multiply(pixels >> 4, 17, dtype=np.uint8),
    )
    for bits in (1, 4, 8):
        few = Image.fromarray(pixels).quantize(2**bits)
        colours = np.array(few.getpalette(), np.uint8)[: 3 * 2**bits].reshape(-1, 3)
        table = np.dstack([colours[None, :, ::-1], np.zeros((1, len(colours), 1), np.uint8)]).tobytes()
        index = np.stack([np.frombuffer(packed(row, bits), np.uint8) for row in np.asarray(few)])
        yield f"{bits} bits", bitmap(index, bits, colours=table), np.asarray(few.convert("RGB"))


def _gifs() -> Iterator[Found]:
    few = Image.fromarray(picture()).quantize(200)
    seen = np.asarray(few.convert("RGB"))
    yield "palette", saved(few, "GIF"), seen
    clear = np.where(np.asarray(few) == 3, 0, 255).astype(np.uint8)
    yield "one clear", saved(few, "GIF", transparency=3), on_white(seen, clear)
    yield "moving", saved(few, "GIF", save_all=True, append_images=[few.rotate(180)]), seen


def _webps() -> Iterator[Found]:
    pixels, alpha = picture(), grey_of(picture(1))
    image, both = Image.fromarray(pixels), Image.fromarray(np.dstack([pixels, alpha]))
    yield "lossless", saved(image, "WEBP", lossless=True), pixels
    yield "lossless, alpha", saved(both, "WEBP", lossless=True, exact=True), on_white(pixels, alpha)
    yield "lossy", saved(image, "WEBP", quality=95), pixels
    yield "lossy, alpha", saved(both, "WEBP", quality=95), on_white(pixels, alpha)
    yield (
        "moving, lossless",
        saved(image, "WEBP", lossless=True, save_all=True, append_images=[image.rotate(180)]),
        pixels,
    )


def _jpegs() -> Iterator[Found]:
    pixels = picture()
    image, grey = Image.fromarray(pixels), grey_of(pixels)
    for sampling, progressive in product((0, 1, 2), (False, True)):
        name = f"YCbCr, {('4:4:4', '4:2:2', '4:2:0')[sampling]}, {'progressive' if progressive else 'baseline'}"
        whole = saved(image, "JPEG", quality=95, subsampling=sampling, progressive=progressive)
        yield name, whole, pixels
        yield f"{name}, no end mark", whole[:-2], pixels
        yield f"{name}, half an end mark", whole[:-1], pixels
    yield "grey", saved(Image.fromarray(grey), "JPEG", quality=95), three(grey)
    yield "grey, restarts", saved(Image.fromarray(grey), "JPEG", quality=95, restart_marker_blocks=2), three(grey)
    inks = saved(
        Image.fromarray(255 - np.dstack([pixels, np.full_like(grey, 255)]), "CMYK"), "JPEG", quality=95, subsampling=0
    )
    yield "CMYK, Adobe", inks, pixels
    yield "CMYK, Adobe, no end mark", inks[:-2], pixels
    place = inks.index(b"\xff\xee")
    yield "CMYK, no Adobe marker", inks[:place] + inks[place + 16 :], pixels  # every decoder takes it for inverted
    direct = imagecodecs.jpeg8_encode(pixels, level=95, colorspace="RGB", outcolorspace="RGB")
    yield "RGB", bytes(direct), pixels
    turned = imagecodecs.jpeg8_encode(
        np.dstack([pixels, np.full_like(grey, 255)]), level=95, colorspace="CMYK", outcolorspace="YCCK"
    )
    yield "YCCK, Adobe", bytes(turned), pixels
    deep = imagecodecs.jpeg8_encode(pixels.astype(np.uint16) * 16, level=95, bitspersample=12)
    yield "YCbCr, 12 bits", bytes(deep), pixels
    yield "lossless", bytes(imagecodecs.jpeg8_encode(pixels, lossless=True)), pixels
    for sides in ((100, 100), (337, 224), (1024, 768)):
        for name, larger in (("RGB", image.resize(sides)), ("grey", Image.fromarray(grey).resize(sides))):
            stored = np.asarray(larger)
            data = bytes(imagecodecs.jpeg8_encode(stored, lossless=True))
            yield f"lossless, {name}, {sides[0]} x {sides[1]}", data, np.asarray(larger.convert("RGB"))
    yield "JPEG-LS", bytes(imagecodecs.jpegls_encode(grey)), three(grey)


def _heics() -> Iterator[Found]:
    pixels, alpha = picture(), grey_of(picture(1))
    grey = grey_of(pixels)
    image, both = Image.fromarray(pixels), Image.fromarray(np.dstack([pixels, alpha]))
    yield "4:2:0", _heic(image), pixels
    yield "4:4:4", _heic(image, chroma=444), pixels
    yield "4:2:0, major brand mp42", _heic(image).replace(b"ftypheic", b"ftypmp42", 1), pixels
    yield "alpha", _heic(both), on_white(pixels, alpha)
    yield "grey", _heic(Image.fromarray(grey)), three(grey)
    deep = pillow_heif.from_bytes("RGB;16", SIZE, (pixels.astype(np.uint16) * 257).tobytes())
    yield "10 bits", _heic(deep), pixels
    grey_deep = pillow_heif.from_bytes("I;16", SIZE, (grey.astype(np.uint16) * 257).tobytes())
    yield "grey, 10 bits", _heic(grey_deep), three(grey)


def _avifs() -> Iterator[Found]:
    pixels, alpha = picture(), grey_of(picture(1))
    image, both = Image.fromarray(pixels), Image.fromarray(np.dstack([pixels, alpha]))
    for sampling in ("4:2:0", "4:4:4"):
        yield sampling, saved(image, "AVIF", quality=95, subsampling=sampling), pixels
    yield "alpha", saved(both, "AVIF", quality=95), on_white(pixels, alpha)
    yield "grey", saved(Image.fromarray(grey_of(pixels)), "AVIF", quality=95), three(grey_of(pixels))
    yield "major brand mp42", saved(image, "AVIF", quality=95).replace(b"ftypavif", b"ftypmp42", 1), pixels
    yield "moving", saved(image, "AVIF", quality=95, save_all=True, append_images=[image.rotate(180)]), pixels
    for bits in (10, 12):
        deep = imagecodecs.avif_encode(pixels.astype(np.uint16) << (bits - 8), level=95, bitspersample=bits)
        yield f"{bits} bits", bytes(deep), pixels


def _heic(image: Image.Image | pillow_heif.HeifFile, **options: object) -> bytes:
    heif = pillow_heif.from_pillow(image) if isinstance(image, Image.Image) else image
    buffer = io.BytesIO()
    heif.save(buffer, quality=95, **options)
    return buffer.getvalue()
