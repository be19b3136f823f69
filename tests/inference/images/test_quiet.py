"""Reading a picture writes nothing on the terminal: libraries would, without the name of the file."""

from __future__ import annotations

import subprocess
import sys

from tests.inference.images.hostile import LONG, SHORT, grey, tiff
from tests.inference.images.pictures import corners, encoded

READ = """
import sys
from inference.images.reading import UnreadableImage, read_image
try:
    read_image(sys.stdin.buffer.read())
    print("read")
except UnreadableImage as refused:
    print(refused.code)
"""


def reading(data: bytes) -> tuple[str, str]:
    """What becomes of a file in a process of its own, and what it writes on the terminal."""
    done = subprocess.run([sys.executable, "-c", READ], input=data, capture_output=True, check=True)
    return done.stdout.decode().strip(), done.stderr.decode()


def test_a_tag_that_is_larger_than_its_file_is_no_warning() -> None:
    data = bytearray(tiff(grey(2, 1, 1, t273=(LONG, (8,)), t279=(LONG, (2,)), t65000=(LONG, (1, 2, 3))), bytes(2)))
    place = data.index((65000).to_bytes(2, "little"))
    data[place + 4 : place + 8] = (100_000).to_bytes(4, "little")
    assert reading(bytes(data)) == ("read", "")


def test_libtiff_says_nothing_about_a_strip_that_it_cannot_read() -> None:
    deflated = grey(4, 4, 8, t273=(LONG, (100_000,)), t278=(SHORT, (4,)), t279=(LONG, (9,)))
    assert reading(tiff(deflated, bytes(8))) == ("unreadable", "")


def test_a_photo_with_a_bad_index_of_several_is_no_warning() -> None:
    whole = encoded(corners(), "JPEG")
    index = b"MPF\0II*\0\x08\0\0\0" + b"\xff" * 20
    bad = whole[:2] + b"\xff\xe2" + (len(index) + 2).to_bytes(2) + index + whole[2:]
    assert reading(bad) == ("read", "")


def test_a_number_of_samples_that_nobody_can_have_is_not_logged_on_the_terminal() -> None:
    data = tiff(grey(2, 1, 1) | {273: (LONG, (8,)), 277: (LONG, (300_000_000,)), 279: (LONG, (2,))}, bytes(2))
    assert reading(data) == ("unreadable", "")
