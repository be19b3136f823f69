"""The picture of the gate's probe is made without an image library; what reads images must be able to read it."""

from __future__ import annotations

import io

from PIL import Image

from inference.images.reading import read_image
from pipeline.gate.probe_picture import probe_picture


def test_the_picture_is_a_whole_png() -> None:
    image = Image.open(io.BytesIO(probe_picture()), formats=["PNG"])
    image.verify()  # every chunk's check sum
    assert (image.format, image.mode, image.size) == ("PNG", "RGB", (64, 64))


def test_the_picture_is_read_as_any_upload_is() -> None:
    picture = read_image(probe_picture())
    corners = [picture.getpixel(place) for place in ((0, 0), (63, 0), (0, 63), (63, 63))]
    assert corners == [(0, 0, 255), (252, 0, 3), (0, 252, 255), (252, 252, 3)]
