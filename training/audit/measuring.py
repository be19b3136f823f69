"""Measure every file in one pass: a few numbers, two hashes and a thumbnail, about two kilobytes each.

bytes -> sha256 -> format, mode, size (header) -> pixels, upright -> 32 x 32 grey, 8 x 8 colour, hashes, light, edges
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling, Transpose

from inference.images.pixels import EvalTransform, Pixels, read_pixels, resize_and_crop
from inference.images.reading import UnreadableImage, open_image, turn_of
from training.audit.files import AuditedFile
from training.audit.records import Unreadable

GREY_PX = 32  # enough to tell two shots of a ball apart, and one kilobyte
COLOUR_PX = 8
SHARP_PX = 256  # the long side at which edges are measured: as a model sees a photo, not by its megapixels
LEAST_CONTRAST = 16.0  # levels: below, the noise of JPEG would count as edges
COLOURLESS = 4  # levels between red, green and blue that JPEG makes of grey
ON_ITS_SIDE = (Transpose.TRANSPOSE, Transpose.TRANSVERSE, Transpose.ROTATE_90, Transpose.ROTATE_270)
AT_ONCE = 64  # files read before their pixels are used: what bounds the memory


@dataclass(frozen=True)
class PhotoFacts:
    """What an audit keeps of a picture."""

    file: AuditedFile
    sha256: str
    format: str
    mode: str
    turned: bool
    colourless: bool  # stored in colour, but grey
    width: int  # upright
    height: int
    hash: int  # difference hash, 64 bits
    mirrored_hash: int  # of the picture in a mirror
    grey: Pixels  # (32, 32)
    colour: Pixels  # (8, 8, 3)
    black: float  # level under which 1 % of the pixels lie
    white: float  # level over which 5 % of the pixels lie
    spread: float  # standard deviation of the pixels, in levels, greatest of red, green and blue
    edges: float  # the steepest, as a share of the contrast per pixel


@dataclass(frozen=True)
class Measurement:
    """One file: its facts, or why it cannot be read; and the input of the network, if labels are checked."""

    facts: PhotoFacts | Unreadable
    pixels: Pixels | None = None


def measure_all(
    files: Sequence[AuditedFile], transform: EvalTransform | None, threads: int, on_file: Callable[[], None]
) -> Iterator[list[Measurement]]:
    """Every file, in order and in small groups, read once; a file that cannot be read does not stop the others.

    With `transform`, each picture comes with the input of a network, (H, W, 3).
    """
    with without_warnings(), ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(files), AT_ONCE):
            measured = []
            for one in pool.map(partial(measure, transform=transform), files[start : start + AT_ONCE]):
                measured.append(one)
                on_file()
            yield measured


@contextmanager
def without_warnings() -> Iterator[None]:
    """Without Pillow's warnings about odd metadata, which help nobody; unreadable files are reported."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
        yield


def measure(file: AuditedFile, transform: EvalTransform | None = None) -> Measurement:
    """Read one file."""
    try:
        data = file.path.read_bytes()
    except OSError as error:
        return _unreadable(file, "missing", f"The file cannot be opened: {error.strerror or error}.")
    sha256 = hashlib.sha256(data).hexdigest()
    if file.sha256 not in (None, sha256):
        return _unreadable(file, "changed", "The file is not the one that split.csv names: its sha256 is another.")
    try:
        return _facts(file, data, sha256, transform)
    except UnreadableImage as error:
        return _unreadable(file, error.code, error.reason)


def _unreadable(file: AuditedFile, code: str, reason: str) -> Measurement:
    return Measurement(Unreadable(path=file.relative, label=file.label, split=file.split, code=code, reason=reason))


def _facts(file: AuditedFile, data: bytes, sha256: str, transform: EvalTransform | None) -> Measurement:
    header = open_image(data)
    turn = turn_of(header)
    width, height = header.size[::-1] if turn in ON_ITS_SIDE else header.size
    pixels = read_pixels(data, transform or EvalTransform(SHARP_PX, SHARP_PX, 1.0, "center", "bilinear"))
    picture = Image.fromarray(pixels)
    grey = picture.convert("L")
    colour = np.asarray(picture.resize((COLOUR_PX, COLOUR_PX), Resampling.BOX))
    forth, back = difference_hashes(grey)
    facts = PhotoFacts(
        file=file, sha256=sha256, format=str(header.format), mode=header.mode, turned=turn is not None,
        colourless=header.mode in ("RGB", "YCbCr") and int(np.ptp(colour, axis=2).max()) <= COLOURLESS,
        width=width, height=height, hash=forth, mirrored_hash=back,
        grey=np.asarray(grey.resize((GREY_PX, GREY_PX), Resampling.BOX)), colour=colour, **_light(picture, grey),
    )  # fmt: skip
    if transform is None:
        return Measurement(facts)
    from inference.engines.torch_resize import torch_resize

    return Measurement(facts, np.ascontiguousarray(resize_and_crop(pixels, transform, torch_resize)))


def difference_hashes(grey: Image.Image) -> tuple[int, int]:
    """64 bits, one for each pixel of 8 x 8 that is brighter than its left neighbour; and those of the mirrored picture.

    Krawetz 2013, https://www.hackerfactor.com/blog/index.php?/archives/529-Kind-of-Like-That.html
    """
    small = np.asarray(grey.resize((9, 8), Resampling.BOX))
    return _bits(small[:, 1:] > small[:, :-1]), _bits((small[:, :-1] > small[:, 1:])[:, ::-1])


def _bits(brighter: NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(brighter).tobytes())


def _light(picture: Image.Image, grey: Image.Image) -> dict[str, float]:
    small = grey.copy()
    small.thumbnail((SHARP_PX, SHARP_PX), Resampling.BOX)
    levels = np.asarray(small, dtype=np.float32)
    black, white, whitest = np.percentile(levels, (1, 95, 99))
    steps = np.concatenate([np.abs(np.diff(levels, axis=axis)).ravel() for axis in (0, 1)] + [np.zeros(1, np.float32)])
    steepest = np.percentile(steps, 99.8)
    thumbnail = np.asarray(picture.resize((GREY_PX, GREY_PX), Resampling.BOX), dtype=np.float32)
    return {
        "black": float(black),
        "white": float(white),
        "spread": float(thumbnail.std(axis=(0, 1)).max()),
        "edges": float(steepest / max(whitest - black, LEAST_CONTRAST)),
    }
