"""The Lambda looks at first bytes before it asks the model server; it may never refuse what the server could read."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from inference.images.formats import READABLE
from inference.images.reading import UnreadableImage, read_image
from pipeline.classify import formats

AWKWARD = Path(__file__).parents[4] / "shared" / "data" / "awkward"


def test_both_rooms_name_the_same_formats() -> None:
    assert formats.READABLE == READABLE


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
@pytest.mark.parametrize("form", READABLE)
def test_what_the_server_reads_passes_the_lambda(form: str, mode: str) -> None:
    data = io.BytesIO()
    Image.new("RGB", (40, 30), "red").convert(mode).save(data, form)
    assert read_image(data.getvalue()).size == (40, 30)
    assert formats.looks_like(data.getvalue()[: formats.HEAD_BYTES]) == form


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow's remarks on damaged files
@pytest.mark.skipif(not AWKWARD.is_dir(), reason="needs ../shared/data/awkward, which is not part of the project")
def test_every_awkward_photo_that_the_server_reads_passes_the_lambda() -> None:
    read = 0
    for path in sorted(path for path in AWKWARD.rglob("*") if path.is_file()):
        data = path.read_bytes()
        try:
            read_image(data)
        except UnreadableImage:
            continue
        read += 1
        assert formats.looks_like(data[: formats.HEAD_BYTES]) in formats.READABLE, path.name
    assert read > 30
