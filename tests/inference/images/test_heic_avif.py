"""What phones make: read as the others are, upright, in 8 bits, on white, its main picture; bounded and refused alike."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pillow_heif
import pytest
from PIL import Image

from inference.images.heif import NO_LIBRARY, PROGRAM, NoDecoder, TooSlow, decode_heic
from inference.images.pixels import EvalTransform, model_input
from inference.images.reading import UnreadableImage, read_image
from tests.inference.images.pictures import ORIENTATION, SIZE, STORED_AS, WHITE, corners, encoded, heic, seen_corners

CUT_EVERY = {"HEIC": 89, "AVIF": 7}  # bytes; a process for each HEIC takes a while
CLOSE = 12  # levels of 255 that the two lossy formats may be away
FORMATS: dict[str, Callable[..., bytes]] = {
    "HEIC": heic,
    "AVIF": lambda it, **more: encoded(it, "AVIF", **{"quality": 95, "subsampling": "4:4:4", **more}),
}


def furthest(picture: Image.Image, expected: Image.Image) -> int:
    return int(np.abs(np.subtract(seen_corners(picture), seen_corners(expected))).max())


def refusal(data: bytes, **options: int) -> UnreadableImage:
    with pytest.raises(UnreadableImage) as caught:
        read_image(data, **options)
    return caught.value


def read_or_refuse(data: bytes, **options: int) -> Image.Image | UnreadableImage:
    try:
        return read_image(data, **options)
    except UnreadableImage as refused:
        return refused


@pytest.mark.parametrize("form", FORMATS)
def test_a_picture_of_a_phone_is_read(form: str) -> None:
    picture = read_image(FORMATS[form](corners()))
    assert (picture.mode, picture.size) == ("RGB", SIZE)
    assert furthest(picture, corners()) <= CLOSE


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("orientation", "stored_as"), STORED_AS.items())
def test_it_is_read_upright_however_the_phone_was_held(
    form: str, orientation: int, stored_as: Image.Transpose | None
) -> None:
    """The container itself turns it (irot, imir); its EXIF says so once more, and is not obeyed twice."""
    stored = corners() if stored_as is None else corners().transpose(stored_as)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    picture = read_image(FORMATS[form](stored, exif=exif.tobytes()))
    assert picture.size == SIZE
    assert furthest(picture, corners()) <= CLOSE


@pytest.mark.parametrize("form", FORMATS)
def test_transparency_lies_on_white(form: str) -> None:
    clear = corners()
    clear.putalpha(Image.new("L", SIZE, 0))
    assert np.asarray(read_image(FORMATS[form](clear))).min() >= WHITE[0] - 3


@pytest.mark.parametrize("form", FORMATS)
def test_of_several_pictures_the_main_one_is_read(form: str) -> None:
    others = [Image.new("RGB", SIZE, "black")] * 2
    assert furthest(read_image(FORMATS[form](corners(), save_all=True, append_images=others)), corners()) <= CLOSE


def test_ten_bits_are_scaled_not_cut_off() -> None:
    deep = np.asarray(corners(), dtype=np.uint16)
    as_heic = heic_of_16_bits("RGB;16", deep * 257)
    as_avif = bytes(imagecodecs.avif_encode(deep * 4 + 3, level=95, bitspersample=10))
    for data in (as_heic, as_avif):
        assert furthest(read_image(data), corners()) <= CLOSE


def test_a_grey_heic_is_read_and_one_of_ten_bits_is_named() -> None:
    """pi-heif writes beyond its memory if such a header lies, so it is not decoded."""
    grey = corners().convert("L")
    assert furthest(read_image(heic(grey)), grey.convert("RGB")) <= CLOSE
    refused = refusal(heic_of_16_bits("I;16", np.asarray(grey, dtype=np.uint16) * 257))
    assert refused.code == "unsupported_format"
    assert "an HEIC of grey with more than 8 bits" in refused.reason


def lying_about_its_depth() -> bytes:
    """Its decoder configuration (hvcC) claims eleven bits of grey, its picture has eight."""
    whole = heic(corners().convert("L"))
    place = whole.index(b"hvcC") + 4 + 17
    assert whole[place] & 7 == 0
    return whole[:place] + bytes([whole[place] | 3, whole[place + 1] | 3]) + whole[place + 2 :]


def with_a_type_that_is_no_text() -> bytes:
    """The type of the item that is its EXIF."""
    exif = Image.Exif()
    exif[ORIENTATION] = 1
    whole = heic(corners(), exif=exif.tobytes())
    place = whole.index(b"Exif")
    return whole[:place] + b"E\xd6if" + whole[place + 4 :]


@pytest.mark.parametrize("data", [lying_about_its_depth(), with_a_type_that_is_no_text()], ids=["depth", "type"])
def test_a_heic_over_which_the_library_crashes_costs_nothing_but_itself(data: bytes) -> None:
    """pi-heif 1.4.0 wrote beyond its memory over the first, and read a null pointer over the second."""
    assert refusal(data).code in {"unsupported_format", "unreadable"}
    assert read_image(heic(corners())).size == SIZE


@pytest.mark.parametrize(
    ("ending", "error"),
    [
        ("os.kill(os.getpid(), signal.SIGXCPU)", TooSlow),
        ("os.kill(os.getpid(), signal.SIGSEGV)", ValueError),
        ("sys.exit(3)", ValueError),
        ("sys.exit(69)", NoDecoder),
        ("print(json.dumps({'error': 'torn'}))", ValueError),
    ],
    ids=["out of time", "crash", "exit", "no library", "damage"],
)
def test_however_the_decoder_ends_it_is_an_answer(tmp_path: Path, ending: str, error: type[Exception]) -> None:
    program = tmp_path / "program.py"
    program.write_text(f"import json, os, signal, sys\nsys.stdin.buffer.read()\n{ending}\n")
    with pytest.raises(error):
        decode_heic(b"a picture", 100, program)


@pytest.mark.parametrize("form", FORMATS)
def test_the_limit_of_pixels_holds_before_a_pixel_is_decoded(form: str) -> None:
    data = FORMATS[form](Image.new("RGB", (1200, 1000), "red"))
    assert read_image(data, max_pixels=1_200_000).size == (1200, 1000)
    refused = refusal(data, max_pixels=1_000_000)
    assert (refused.code, "1200 x 1000 pixels" in refused.reason) == ("too_many_pixels", True)
    assert "one side is over 100 times" in refusal(FORMATS[form](Image.new("RGB", (1632, 16), "red"))).reason


@pytest.mark.parametrize("form", FORMATS)
def test_a_size_that_is_a_lie_is_no_way_around_the_limit(form: str) -> None:
    """The container says 16 x 16, the picture in it is larger."""
    data = bytearray(FORMATS[form](Image.new("RGB", (2048, 2048), "red")))
    place = data.index(b"ispe") + 8
    data[place : place + 8] = struct.pack(">II", 16, 16)
    found = read_or_refuse(bytes(data), max_pixels=1000)
    assert found.code == "unreadable" if isinstance(found, UnreadableImage) else found.size == (16, 16)


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_cut_anywhere_is_refused_in_one_line_or_was_whole(form: str) -> None:
    data = FORMATS[form](corners())
    whole = np.asarray(read_image(data))
    refused = 0
    for length in range(12, len(data), CUT_EVERY[form]):
        found = read_or_refuse(data[:length])
        if isinstance(found, UnreadableImage):
            refused += 1
            assert found.code == "unreadable" or length < 40
            assert "\n" not in found.reason
            assert found.reason.endswith(".")
        else:
            assert np.array_equal(np.asarray(found), whole), length
    assert refused > len(data) / CUT_EVERY[form] / 2


@pytest.mark.parametrize("form", FORMATS)
def test_the_model_sees_what_read_image_reads(form: str) -> None:
    data = FORMATS[form](corners())
    transform = EvalTransform(SIZE[1], SIZE[0], 1.0, "squash", "bicubic")
    assert np.array_equal(model_input(data, transform), np.asarray(read_image(data)))


def test_reading_pictures_needs_no_torch_and_tells_pillow_nothing() -> None:
    code = (
        "import sys, inference.images.pixels as p; from PIL import Image; Image.init();"
        "assert not {'torch', 'pillow_heif'} & set(sys.modules); assert 'HEIF' not in Image.OPEN"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


def heic_of_16_bits(mode: str, values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    size = (values.shape[1], values.shape[0])
    pillow_heif.from_bytes(mode, size, values.astype("<u2").tobytes()).save(buffer, quality=90)
    return buffer.getvalue()


def test_a_machine_that_cannot_start_the_decoder_is_not_the_images_fault(tmp_path: Path) -> None:
    """Without pi-heif, as in an environment that is older than the archive."""
    (tmp_path / "pi_heif.py").write_text("raise ImportError('not here')")
    run = [
        sys.executable,
        "-c",
        f"import sys, runpy; sys.path.insert(0, {str(tmp_path)!r}); runpy.run_path({str(PROGRAM)!r})",
    ]
    assert subprocess.run(run, check=False, stdin=subprocess.DEVNULL).returncode == NO_LIBRARY


@pytest.mark.parametrize("major", [b"mp42", b"avci", b"1pic", b"MiHE", b"xxxx"])
@pytest.mark.parametrize("form", ["HEIC", "AVIF"])
def test_a_still_picture_is_read_by_its_other_brands_if_the_first_one_says_nothing(major: bytes, form: str) -> None:
    data = heic(corners()) if form == "HEIC" else encoded(corners(), "AVIF", quality=95)
    renamed = data[:8] + major + data[12:]
    assert np.array_equal(np.asarray(read_image(renamed)), np.asarray(read_image(data)))


def test_a_still_picture_of_another_codec_is_named_and_not_taken_for_a_video() -> None:
    with pytest.raises(UnreadableImage, match="This is an HEIF image with AVC inside") as refused:
        read_image(b"\0\0\0\x18ftypavci\0\0\0\0mif1avci" + bytes(100))
    assert refused.value.code == "unsupported_format"
