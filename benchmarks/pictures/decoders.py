"""The same bytes as three decoders see them: this project's, libvips's and OpenCV's, each with libraries of its own."""

from __future__ import annotations

import cv2
import numpy as np
import pyvips

from benchmarks.pictures.writing import Pixels, on_white
from inference.images.reading import UnreadableImage, read_image

MAX_PIXELS = 4_000_000
PNG = b"\x89PNG\r\n\x1a\n"


def ours(data: bytes) -> Pixels | UnreadableImage:
    """The picture, or its rejection; whatever else is raised is a fault."""
    try:
        return np.asarray(read_image(data, max_pixels=MAX_PIXELS))
    except UnreadableImage as refused:
        return refused


def by_vips(data: bytes) -> list[Pixels]:
    """As libvips reads it, strictly; none if it does not. CMYK becomes RGB without a colour profile, as everywhere here."""
    try:
        image = pyvips.Image.new_from_buffer(data, "", fail_on="warning").autorot()
        if image.width * image.height > MAX_PIXELS:
            return []
        if image.interpretation == "cmyk" and image.bands == 4 and image.format in ("uchar", "ushort"):
            inks = (image if image.format == "uchar" else image >> 8).numpy().astype(np.uint16)
            return [((255 - inks[..., :3]) * (255 - inks[..., 3:]) // 255).astype(np.uint8)]
        image = image.colourspace("srgb")
        pixels = (image.flatten(background=255) if image.hasalpha() else image).cast("uchar").numpy()
    except (pyvips.Error, UnicodeDecodeError):  # the latter over its own message, with bytes of the file in it
        return []
    return [_three(pixels)]


def by_opencv(data: bytes) -> list[Pixels]:
    """As OpenCV reads it; none if it does not. Where there is transparency, both without it and on white."""
    found: list[Pixels] = []
    if data.startswith(PNG) and _claims_more_than_it_has(data):
        return []  # so does OpenCV, but first it clears the memory for all that is claimed, up to 2 GB
    try:
        colours = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        with_alpha = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return []
    if colours is not None:
        found.append(np.ascontiguousarray(colours[..., ::-1], np.uint8))
    if with_alpha is not None and with_alpha.ndim == 3 and with_alpha.shape[2] == 4:
        eight = (with_alpha.astype(np.float64) / {"uint16": 257}.get(with_alpha.dtype.name, 1)).astype(np.uint8)
        found.append(on_white(eight[..., 2::-1], eight[..., 3]))
    return [pixels for pixels in found if pixels.shape[0] * pixels.shape[1] <= MAX_PIXELS]


def _claims_more_than_it_has(data: bytes) -> bool:
    """Whether a PNG has too many pixels, or a chunk beyond its end."""
    if int.from_bytes(data[16:20]) * int.from_bytes(data[20:24]) > MAX_PIXELS:
        return True
    place = len(PNG)
    while place + 12 <= len(data) and data[place + 4 : place + 8] != b"IEND":
        place += 12 + int.from_bytes(data[place : place + 4])
    return place + 12 > len(data)


def _three(pixels: Pixels) -> Pixels:
    deep = pixels if pixels.ndim == 3 else pixels[..., None]
    return np.repeat(deep, 3, axis=2) if deep.shape[2] == 1 else deep[..., :3]
