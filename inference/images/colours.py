"""Any mode that Pillow decodes becomes RGB of 8 bits, on white."""

from __future__ import annotations

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from inference.images.greys import eight_bit, is_deep

ROWS_AT_ONCE = 256  # of a transparent picture, laid on white
EXTRA_SAMPLES = 338  # a TIFF's tag: whether what is beside the colours is transparency


def in_colours(image: Image.Image) -> Image.Image:
    """The picture in RGB, 8 bit, what is clear in it on white; `image` is decoded already."""
    if is_deep(image):
        return eight_bit(image).convert("RGB")
    if image.mode == "P" and image.palette is None:
        raise ValueError("its palette is missing")
    if image.mode == "La":
        image = image.convert("LA")
    if not image.has_transparency_data or _is_clear_by_mistake(image):
        return image.convert("RGB")
    picture = Image.new("RGB", image.size)
    for top in range(0, image.height, ROWS_AT_ONCE):  # as a whole it would be in memory four times
        coloured = image.crop((0, top, image.width, min(top + ROWS_AT_ONCE, image.height))).convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        picture.paste(Image.alpha_composite(white, coloured).convert("RGB"), (0, top))
    return picture


def _is_clear_by_mistake(image: Image.Image) -> bool:
    """A bitmap's fourth byte is often 0 because nobody wrote it, as is a TIFF's that does not say what it is."""
    if image.mode != "RGBA" or image.getchannel("A").getextrema() != (0, 0):
        return False
    return image.format == "BMP" or (isinstance(image, TiffImageFile) and EXTRA_SAMPLES not in image.tag_v2)
