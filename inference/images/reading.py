"""Bytes become a picture: the one way, for training and for serving.

bytes -> format by first bytes -> no bomb -> size by header -> pixels -> RGB, upright
"""

from __future__ import annotations

import io
import struct
from typing import Literal

from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import Base as ExifTag
from PIL.Image import Transpose
from PIL.TiffImagePlugin import TiffImageFile

from inference.images.bombs import what_makes_it_a_bomb
from inference.images.chroma import mend_chroma
from inference.images.colours import in_colours
from inference.images.formats import READABLE, looks_like
from inference.images.heif import TooSlow, decode_heic, open_avif
from inference.images.jpegs import damage, frame_of, has_all_scans, with_its_end
from inference.images.kinds import kind_misread, kind_not_opened
from inference.images.pages import full_page_first
from inference.images.palettes import mend_palette
from inference.images.pngs import picture_alone, scale_clear_grey
from inference.images.profiles import in_srgb, srgb_transform
from inference.images.quiet import silence_decoders
from inference.images.scales import NoValues
from inference.images.tiff_jpegs import damage_in_tiff

MAX_PIXELS = 50_000_000  # 150 MB as RGB; phones make 12 to 50 million
JPEGS = ("JPEG", "MPO")  # Pillow's names; in the second one the first of several pictures is read
BIG_ENDIAN_BIGTIFF = b"MM\0+"
MAX_ASPECT = 100  # resizing the short side to 224 pixels makes the long side at most 22,400

# What Pillow 13 raised over three million damaged files of all formats that are read here, and, at the end, what its
# plugins are written to raise. ArithmeticError: over one in 35,000 TIFFs with the tags of others, and over an AVIF whose
# seconds have 0 parts. RuntimeError: libheif's and libavif's word for pixels that cannot be decoded.
DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    IndexError,
    ArithmeticError,
    RuntimeError,
    struct.error,
)

# How a stored picture becomes upright: EXIF 2.32, tag Orientation. ImageOps.exif_transpose does the same, but writes
# the remaining EXIF anew, and raised over 2 % of damaged EXIFs whose orientation could be read.
UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}

Code = Literal["empty", "unsupported_format", "unreadable", "too_many_pixels", "too_slow"]


class UnreadableImage(Exception):
    """The rejection of an image: `code` for programs, `reason` in a sentence for a person."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code: Code = code
        self.reason = reason


def read_image(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The picture in `data`: RGB, 8 bit, upright as its EXIF says, without metadata; the first of several frames.

    Transparency lies on white, greys of other depths are scaled (greys.py), colours of other spaces than sRGB become
    sRGB by their profile. The size is checked before a pixel is decoded. Raises UnreadableImage, and nothing else, for
    any bytes; heif.NoDecoder on a machine that cannot start the decoder of HEIC.
    """
    return picture_of(open_image(data, max_pixels), data)


def open_image(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The image in `data`, its header read and checked, its pixels not decoded yet. Raises UnreadableImage."""
    silence_decoders()
    image = _open(data, max_pixels)
    _check_size(*image.size, max_pixels)
    return image


def picture_of(image: Image.Image, data: bytes) -> Image.Image:
    """The picture in an image that `open_image` opened of `data`, as `read_image` promises it. Raises UnreadableImage."""
    if image.format in JPEGS and (missing := damage(with_its_end(data))):  # Pillow would fill it in with grey
        raise _damaged("JPEG", ValueError(missing))
    try:
        image.load()
        if isinstance(image, TiffImageFile) and (missing := damage_in_tiff(image, data)):
            raise ValueError(missing)
        turn = turn_of(image)
        picture = in_srgb(in_colours(image), srgb_transform(image))
    except NoValues as error:
        reason = "None of its pixels has a value: all say that nothing was measured. Save it anew and send it again."
        raise UnreadableImage("unreadable", reason) from error
    except DAMAGED as error:
        raise _damaged("HEIC" if image.format == "HEIF" else str(image.format), error) from error
    if turn is not None:
        picture = picture.transpose(turn)
    picture.info.clear()
    return picture


def turn_of(image: Image.Image) -> Transpose | None:
    """What turns the picture upright; None if the EXIF is missing or broken: a bad tag does not cost the picture."""
    try:
        return UPRIGHT.get(image.getexif().get(ExifTag.Orientation, 1))
    except DAMAGED:
        return None


def _open(data: bytes, max_pixels: int) -> Image.Image:
    kind = looks_like(data)
    if not data:
        raise UnreadableImage("unreadable", "The file is empty. Upload it again.")
    if kind not in READABLE:
        seen = f"This is {kind}" if kind else "These bytes are no image format that is known here"
        raise UnreadableImage("unsupported_format", f"{seen}. Convert it to JPEG or PNG and send it again.")
    if kind == "TIFF":
        data = full_page_first(data)
    if bomb := what_makes_it_a_bomb(kind, data, max_pixels):
        raise UnreadableImage("too_many_pixels", f"The {kind} {bomb}. Save it anew and send it again.")
    try:
        image = _decoded_heic(data, max_pixels) if kind == "HEIC" else _opened(kind, data, max_pixels)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableImage("too_many_pixels", f"The image has far more pixels than {_limit(max_pixels)}") from error
    except DAMAGED as error:
        if unread := kind_not_opened(kind, data):
            raise _not_read(unread) from error
        raise _damaged(kind, error) from error
    if unread := kind_misread(image, data):
        raise _not_read(unread)
    return image


def _decoded_heic(data: bytes, max_pixels: int) -> Image.Image:
    try:
        size, image = decode_heic(data, max_pixels)
    except TooSlow as error:
        reason = "Reading the HEIC took too long. Save it as a JPEG and send it again."
        raise UnreadableImage("too_slow", reason) from error
    _check_size(*size, max_pixels)
    if image is None:
        raise _not_read("an HEIC of grey with more than 8 bits")
    return image


def _opened(kind: str, data: bytes, max_pixels: int) -> Image.Image:
    match kind:
        case "AVIF":
            return open_avif(data)
        case "JPEG":
            return _opened_jpeg(data, max_pixels)
        case "PNG":
            image = Image.open(io.BytesIO(picture_alone(data)), formats=[kind])
            scale_clear_grey(image, data)
            return image
    if data.startswith(BIG_ENDIAN_BIGTIFF):
        raise ValueError("Pillow takes a big-endian BigTIFF for a TIFF")
    image = Image.open(io.BytesIO(data), formats=[kind])
    if isinstance(image, TiffImageFile):
        mend_palette(image)
        mend_chroma(image)
    return image


def _opened_jpeg(data: bytes, max_pixels: int) -> Image.Image:
    if has_all_scans(data) is False:
        raise ValueError("a scan is missing")
    if (frame := frame_of(data)) and frame.is_arithmetic:
        raise ValueError("of arithmetic codes nobody can say whether they are all there")
    image = Image.open(io.BytesIO(data), formats=["JPEG"])
    _check_size(*image.size, max_pixels)  # before its end is looked for, which decodes it
    ended = with_its_end(data)
    return image if ended is data else Image.open(io.BytesIO(ended), formats=["JPEG"])


def _check_size(width: int, height: int, max_pixels: int) -> None:
    size = f"The image is {width} x {height} pixels"
    if width * height > max_pixels:
        raise UnreadableImage("too_many_pixels", f"{size}, more than {_limit(max_pixels)}")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise UnreadableImage(
            "unreadable", f"{size}: one side is over {MAX_ASPECT} times the other. Crop it and send it again."
        )


def _limit(max_pixels: int) -> str:
    return f"the limit of {max_pixels / 1e6:g} million. Scale it down and send it again."


def _damaged(kind: str, error: Exception) -> UnreadableImage:
    article = "an" if kind in ("AVIF", "HEIC") else "a"
    detail = "no size in its header" if isinstance(error, UnidentifiedImageError) else " ".join(str(error).split())
    return UnreadableImage(
        "unreadable", f"The file begins like {article} {kind} but is damaged or cut short ({detail}). Upload it again."
    )


def _not_read(kind: str) -> UnreadableImage:
    return UnreadableImage(
        "unsupported_format",
        f"This is {kind}, a kind that is not read here. Convert it to JPEG or PNG and send it again.",
    )
