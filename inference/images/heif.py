"""HEIC and AVIF, as phones make them: each decoder on one thread, and nothing said to Pillow about them."""

from __future__ import annotations

import io

from PIL import AvifImagePlugin, Image

# One thread each: readers.py reads several images at once, and stops one by the CPU time of its thread.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1

# Greys of over 8 bits: pi-heif 1.4.0 writes beyond its memory if the picture has fewer bits than its header says.
HEIC_UNSAFE_MODE = "I;16"


def open_heic(data: bytes) -> Image.Image:
    """The main picture of a HEIC file, not decoded yet; its own turns (irot, imir) are carried out by libheif."""
    import pi_heif

    pi_heif.options.DECODE_THREADS = 1
    image: Image.Image = pi_heif.HeifImageFile(io.BytesIO(data))
    return image


def open_avif(data: bytes) -> Image.Image:
    """The first picture of an AVIF file, not decoded yet."""
    return AvifImagePlugin.AvifImageFile(io.BytesIO(data))
