"""What a JPEG's frame header may say: libjpeg-turbo writes a lossless one beyond the memory for a smaller picture.

In a process of their own, for a crash of the library is what these tests look for.
"""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference.images.jpegs import Frame, frame_of
from inference.images.pixels import EvalTransform, model_input
from inference.images.reading import UnreadableImage, read_image
from tests.inference.images.hostile import jpeg_segment
from tests.inference.images.pictures import jpeg

SMALL = EvalTransform(32, 32, 1.0, "center", "bicubic")  # a JPEG of 512 pixels is decoded at an eighth for it
READ = """
import sys
import numpy as np
from inference.images.pixels import EvalTransform, read_pixels
from inference.images.reading import UnreadableImage, read_image
while size := int.from_bytes(sys.stdin.buffer.read(4)):
    data = sys.stdin.buffer.read(size)
    for read in (read_image, lambda data: read_pixels(data, EvalTransform(32, 32, 1.0, "center", "bicubic"))):
        try:
            found = np.asarray(read(data))
        except UnreadableImage as refused:
            found = np.array(refused.code)
        np.save(sys.stdout.buffer, found)
"""


def read_apart(files: Sequence[bytes]) -> list[NDArray[np.generic]]:
    """Each file as `read_image` and as `read_pixels` read it, in turn; the code of a refusal as an array of one string."""
    sent = b"".join(len(data).to_bytes(4) + data for data in files) + bytes(4)
    done = subprocess.run([sys.executable, "-c", READ], input=sent, capture_output=True, check=False)
    assert done.returncode == 0, f"the process ended with {done.returncode}: {done.stderr.decode()}"
    answer = io.BytesIO(done.stdout)
    return [np.load(answer) for _ in range(2 * len(files))]


def noise(height: int, width: int, *colours: int) -> NDArray[np.uint8]:
    rough = np.random.default_rng(5).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    soft = Image.fromarray(rough).resize((width, height))
    return np.asarray(soft if colours else soft.convert("L"))


def lossless(pixels: NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(pixels, lossless=True))


@pytest.mark.parametrize("sides", [(16, 24), (100, 100), (104, 112), (224, 337), (512, 640), (1200, 800)])
def test_a_lossless_jpeg_of_any_size_is_read_to_the_last_pixel(sides: tuple[int, int]) -> None:
    pictures = [noise(*sides), noise(*sides, 3)]
    found = read_apart([lossless(picture) for picture in pictures])
    for n, picture in enumerate(pictures):
        whole = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
        assert np.array_equal(found[2 * n], whole)
        assert np.array_equal(found[2 * n + 1], whole)


@pytest.mark.parametrize("missing", [1, 2])
def test_a_lossless_jpeg_may_lack_its_end_mark(missing: int) -> None:
    whole = lossless(noise(104, 112, 3))
    assert np.array_equal(np.asarray(read_image(whole[:-missing])), np.asarray(read_image(whole)))


@pytest.mark.parametrize("end", [b"", b"\xff\xd9"], ids=["cut", "closed"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.6, 0.9, 0.97])
@pytest.mark.parametrize("colours", [(), (3,)], ids=["grey", "RGB"])
def test_half_a_lossless_jpeg_is_cut_short(colours: tuple[int, ...], share: float, end: bytes) -> None:
    whole = lossless(noise(224, 336, *colours))
    half = whole[: int(len(whole) * share)] + end
    for read in (read_image, lambda data: model_input(data, SMALL)):
        with pytest.raises(UnreadableImage, match="cut short") as refused:
            read(half)
        assert refused.value.code == "unreadable"


def frame_at(data: bytes) -> int:
    return next(data.index(bytes([0xFF, marker])) for marker in (0xC0, 0xC2, 0xC3) if bytes([0xFF, marker]) in data)


def with_frames_of_other_kinds(data: bytes) -> Iterator[bytes]:
    """The JPEG with another marker, other numbers, or a second header of each kind before or behind its own, or its end."""
    place = frame_at(data)
    length = int.from_bytes(data[place + 2 : place + 4]) + 2
    header, scan = data[place : place + length], data.index(b"\xff\xda")
    for marker in range(0xC0, 0xD0):
        other = b"\xff" + bytes([marker]) + header[2:]
        larger = other[:5] + struct.pack(">HH", 2048, 2048) + other[9:]
        yield data[:place] + other + data[place + length :]
        for more in (other, larger):
            yield data[:place] + more + data[place:]
            yield data[: place + length] + more + data[place + length :]
            yield data[:scan] + b"\xff\xff\xff" + more + data[scan:]
            yield data[:-2] + more + data[scan:]
    yield data[:scan] + jpeg_segment(0xDC, b"\0\x10") + data[scan:]
    yield data[:-2] + jpeg_segment(0xDC, b"\xff\xff") + data[-2:]
    for number in range(4, length):
        for value in (0, 1, 2, 3, 4, 8, 0x11, 0x22, 0x41, 0x44, 0xFF):
            yield data[: place + number] + bytes([value]) + data[place + number + 1 :]


@pytest.mark.parametrize(
    "whole",
    [
        jpeg(Image.fromarray(noise(512, 512, 3)), quality=60, subsampling=2),
        jpeg(Image.fromarray(noise(512, 512)), quality=60),
        jpeg(Image.fromarray(noise(512, 512, 3)), quality=60, progressive=True),
        lossless(noise(104, 104)),
        lossless(noise(104, 104, 3)),
    ],
    ids=["4:2:0", "grey", "progressive", "lossless grey", "lossless RGB"],
)
def test_no_frame_header_crashes_the_reader(whole: bytes) -> None:
    files = list(with_frames_of_other_kinds(whole))
    found = read_apart([whole, *files])
    assert found[0].shape == np.asarray(Image.open(io.BytesIO(whole)).convert("RGB")).shape
    for image, pixels in zip(found[::2], found[1::2], strict=True):
        assert image.ndim == pixels.ndim
        assert image.ndim == 0 or image.shape[0] % pixels.shape[0] == image.shape[1] % pixels.shape[1] == 0


def test_a_frame_is_the_only_header_before_the_pixels_and_not_one_in_a_note() -> None:
    data = lossless(noise(104, 112))
    place = frame_at(data)
    assert frame_of(data) == Frame(0xC3, 112, 104)
    assert frame_of(data[:2] + jpeg_segment(0xE1, data[place : place + 13]) + data[2:]) == Frame(0xC3, 112, 104)
    assert frame_of(data[:place] + b"\xff\xff" + data[place:]) == Frame(0xC3, 112, 104)
    assert frame_of(data[:place] + data[place : place + 13] + data[place:]) is None
    assert frame_of(data[:place]) is None
    assert frame_of(b"") is None


def test_a_jpeg_of_arithmetic_codes_is_refused_by_name() -> None:
    """Its decoder takes an early end for zeros, without a warning: nobody could say whether it is whole."""
    for whole, name in (
        (jpeg(Image.fromarray(noise(104, 112, 3))), b"\xff\xc9"),
        (lossless(noise(104, 112)), b"\xff\xcb"),
    ):
        place = frame_at(whole)
        with pytest.raises(UnreadableImage, match=r"This is an? (arithmetic|lossless) JPEG of 8 bits") as refused:
            read_image(whole[:place] + name + whole[place + 2 :])
        assert refused.value.code == "unsupported_format"


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
def test_the_size_of_a_jpeg_is_checked_before_its_missing_end_is_looked_for(options: dict[str, bool]) -> None:
    """That decodes it, and a progressive one needs 3 bytes of memory for each pixel."""
    whole = bytearray(jpeg(Image.new("RGB", (64, 64)), **options))
    place = frame_at(bytes(whole)) + 5
    whole[place : place + 4] = struct.pack(">HH", 13_000, 13_000)
    measured = READ + "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    sent = len(whole[:-2]).to_bytes(4) + whole[:-2] + bytes(4)
    done = subprocess.run([sys.executable, "-c", measured], input=sent, capture_output=True, check=True)
    answer = io.BytesIO(done.stdout)
    assert [str(np.load(answer)) for _ in range(2)] == ["too_many_pixels"] * 2
    assert int(answer.read()) < 200_000  # kibibytes at most; the numbers of the whole picture are 500,000
