"""Pictures read in a process of their own: the same pixels, and no crash of a decoder reaches another picture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from inference.images.apart import NoReader, ReaderApart
from inference.images.pixels import EvalTransform, model_input
from inference.images.reading import UnreadableImage
from tests.inference.images.pictures import corners, jpeg

TRANSFORM = EvalTransform(24, 32, 0.9, "border", "bicubic", (1, 2, 3))
PHOTO = jpeg(corners().resize((300, 200)))
CRASHING = "tests.inference.images.crashing_reader"


@pytest.fixture
def reader() -> Iterator[ReaderApart]:
    one = ReaderApart(TRANSFORM, seconds=0.5, program=CRASHING)
    yield one
    one.close()


def codes(outcomes: list[np.ndarray | UnreadableImage]) -> list[str]:
    return [it.code if isinstance(it, UnreadableImage) else "read" for it in outcomes]


def test_the_pixels_are_those_of_reading_here() -> None:
    reader = ReaderApart(TRANSFORM, seconds=60)
    for data in (PHOTO, jpeg(corners())):
        [pixels] = reader.read([data])
        assert isinstance(pixels, np.ndarray)
        assert np.array_equal(pixels, model_input(data, TRANSFORM))
    reader.close()


def test_a_rejection_has_the_words_of_reading_here() -> None:
    reader = ReaderApart(TRANSFORM, seconds=60, max_pixels=100)
    for data in (b"hello", PHOTO, PHOTO[:300]):
        [found] = reader.read([data])
        with pytest.raises(UnreadableImage) as expected:
            model_input(data, TRANSFORM, max_pixels=100)
        assert isinstance(found, UnreadableImage)
        assert (found.code, found.reason) == (expected.value.code, expected.value.reason)
    reader.close()


def test_a_picture_over_which_the_decoder_crashes_is_unreadable_and_its_neighbours_are_read(
    reader: ReaderApart,
) -> None:
    assert codes(reader.read([PHOTO, b"crash", PHOTO, b"", b"crash", PHOTO])) == [
        "read", "unreadable", "read", "empty", "unreadable", "read",
    ]  # fmt: skip


def test_a_picture_that_takes_too_long_is_cut_off_and_the_next_is_read(reader: ReaderApart) -> None:
    assert codes(reader.read([b"burn", PHOTO])) == ["too_slow", "read"]


def test_a_picture_larger_than_a_pipe_is_sent_and_a_crash_in_the_middle_of_it_ends_nothing(reader: ReaderApart) -> None:
    large = PHOTO + bytes(5_000_000)
    assert codes(reader.read([large, b"crash", large])) == ["read", "unreadable", "read"]


def test_a_process_that_cannot_be_started_is_the_machines_fault(
    reader: ReaderApart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(NoReader, match="could not be started"):
        reader.read([PHOTO])
