"""Magic bytes have one home. The Lambda looks at the first ones alone, and may never refuse what the server could read."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from inference.images.formats import HEAD_BYTES, READABLE, looks_like
from inference.images.reading import UnreadableImage, read_image
from tests.inference.images.pictures import encoded, heic

ROOT = Path(__file__).parents[3]
AWKWARD = ROOT.parent / "shared" / "data" / "awkward"


@pytest.mark.parametrize("name", ["formats.py", "encodings.py"])
def test_the_lambda_uses_the_very_file(name: str) -> None:
    """A link, whose content `sam build` puts into the zip."""
    linked = ROOT / "functions" / "pipeline" / "classify" / name
    assert linked.is_symlink()
    assert linked.resolve() == ROOT / "inference" / "images" / name


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
@pytest.mark.parametrize("form", READABLE)
def test_the_first_bytes_of_what_the_server_reads_are_enough(form: str, mode: str) -> None:
    picture = Image.new("RGB", (40, 30), "red").convert(mode)
    data = heic(picture) if form == "HEIC" else encoded(picture, form)
    assert read_image(data).size == (40, 30)
    assert looks_like(data[:HEAD_BYTES]) == form


@pytest.mark.parametrize("text", [b"BMW 320i", b"BM", b"BMX bikes, size 20 inches, as good as new"])
def test_a_text_that_begins_with_the_letters_of_a_bitmap_is_a_text(text: bytes) -> None:
    with pytest.raises(UnreadableImage, match="This is text") as error:
        read_image(text)
    assert error.value.code == "unsupported_format"


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow's remarks on damaged files
@pytest.mark.skipif(not AWKWARD.is_dir(), reason="needs ../shared/data/awkward, which is not part of the project")
def test_the_first_bytes_of_every_awkward_photo_that_the_server_reads_are_enough() -> None:
    read = 0
    for path in sorted(path for path in AWKWARD.rglob("*") if path.is_file()):
        data = path.read_bytes()
        try:
            read_image(data)
        except UnreadableImage:
            continue
        read += 1
        assert looks_like(data[:HEAD_BYTES]) in READABLE, path.name
    assert read > 30
