"""The colours of a palette TIFF that keeps them in 8 bits, not in the 16 that TIFF 6.0 wants."""

from __future__ import annotations

from PIL.ImagePalette import raw
from PIL.TiffImagePlugin import TiffImageFile

_COLOUR_MAP = 320  # three numbers for every colour: all the reds, greens and blues


def mend_palette(image: TiffImageFile) -> None:
    """If no colour is above 255, they are 8 bits: libtiff's rule, and so that of nearly every reader but Pillow."""
    if image.mode in ("P", "PA"):
        colours = image.tag_v2[_COLOUR_MAP]
        if min(colours) >= 0 and 0 < max(colours) < 256:
            image.palette = raw("RGB;L", colours)
