"""Uncompressed TIFFs in YCbCr whose colours are stored coarser than their greys, in blocks."""

from __future__ import annotations

from PIL.ImageFile import _Tile
from PIL.TiffImagePlugin import TiffImageFile

_COMPRESSION, _PHOTOMETRIC, _PLANES, _SUBSAMPLING = 259, 262, 284, 530
_SIZES = (279, 325)  # in bytes, of strips and of tiles
_RAW, _YCBCR, _IN_PLANES = 1, 6, 2


def mend_chroma(image: TiffImageFile) -> None:
    """Let libtiff read the blocks, as it does if they are compressed: Pillow itself takes them for pixels of 3 bytes."""
    tags = image.tag_v2
    kind = (tags.get(_COMPRESSION, _RAW), tags.get(_PHOTOMETRIC))
    if kind != (_RAW, _YCBCR) or tags.get(_PLANES) == _IN_PLANES or not _is_subsampled(image):
        return
    image.use_load_libtiff = True
    image._mode = "RGB"  # as Pillow sets these for what libtiff reads
    image.tile = [_Tile("libtiff", (0, 0, *image._tile_size), 0, ("RGBX", False, tags.offset))]


def _is_subsampled(image: TiffImageFile) -> bool:
    """By the tag; without it the blocks are 2 x 2 by the standard, but some programs forget the tag of whole pixels."""
    if _SUBSAMPLING in image.tag_v2:
        return bool(image.tag_v2[_SUBSAMPLING] != (1, 1))
    sizes = next((image.tag_v2[tag] for tag in _SIZES if tag in image.tag_v2), (0,))
    return bool(sum(sizes) < 3 * image.width * image.height)
