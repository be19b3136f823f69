"""An image that costs too much of a processor is cut off; nothing that is read beside it or behind it waits or is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from inference.images.pixels import Pixels
from inference.images.readers import Readers
from inference.images.reading import UnreadableImage

pytestmark = pytest.mark.torch

LIMIT_S = 0.3  # of a processor
PATIENCE_S = 60.0  # until a test gives up


class Reads:
    """A reader of made-up images: `b"7"` becomes pixels of value 7; others are slow, sleepy or bad."""

    def __init__(self) -> None:
        self.let_go = threading.Event()  # ends what burns
        self.together = threading.Barrier(2)
        self.finished: list[bytes] = []

    def __call__(self, data: bytes) -> Pixels:
        if data == b"bad":
            raise UnreadableImage("unreadable", "It is torn.")
        if data.startswith(b"slow"):
            self.burn()
        if data == b"sleepy":
            time.sleep(3 * LIMIT_S)
        if data.startswith(b"together"):
            self.together.wait(PATIENCE_S)
        self.finished.append(data)
        return np.full((2, 2, 3), int(data) if data.isdigit() else 0, np.uint8)

    def burn(self) -> None:
        began = time.thread_time()
        while not self.let_go.is_set() and time.thread_time() - began < PATIENCE_S:
            sum(range(1000))


@pytest.fixture
def read() -> Iterator[Reads]:
    reads = Reads()
    yield reads
    reads.let_go.set()


def seen(outcomes: list[Pixels | UnreadableImage]) -> list[object]:
    """Values of pixels and codes of rejections, in order."""
    return [it.code if isinstance(it, UnreadableImage) else int(it[0, 0, 0]) for it in outcomes]


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_images_come_back_in_the_order_in_which_they_were_sent(read: Reads, threads: int) -> None:
    images = [b"%d" % n for n in range(100)]
    assert seen(Readers(read, threads=threads, seconds=LIMIT_S).read(images)) == list(range(100))


def test_no_images_are_no_outcomes(read: Reads) -> None:
    assert Readers(read, threads=1, seconds=LIMIT_S).read([]) == []


def test_a_bad_and_an_empty_image_are_rejected_on_their_own(read: Reads) -> None:
    outcomes = Readers(read, threads=2, seconds=LIMIT_S).read([b"1", b"bad", b"", b"2"])
    assert seen(outcomes) == [1, "unreadable", "empty", 2]
    assert next(it.reason for it in outcomes if isinstance(it, UnreadableImage)) == "It is torn."


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("place", [0, 2, 4])
def test_a_slow_image_is_refused_and_those_beside_it_and_behind_it_are_read(
    read: Reads, threads: int, place: int
) -> None:
    images = [b"0", b"1", b"2", b"3", b"4"]
    images[place] = b"slow"
    outcomes = Readers(read, threads=threads, seconds=LIMIT_S).read(images)
    assert seen(outcomes) == [n if n != place else "too_slow" for n in range(5)]
    refused = outcomes[place]
    assert isinstance(refused, UnreadableImage)
    assert "took over 0.3 s of a processor" in refused.reason


def test_many_slow_images_are_each_refused_whatever_the_number_of_threads(read: Reads) -> None:
    images = [b"slow", b"1", b"slow", b"slow", b"4", b"bad"]
    expected = ["too_slow", 1, "too_slow", "too_slow", 4, "unreadable"]
    assert seen(Readers(read, threads=1, seconds=LIMIT_S).read(images)) == expected
    read.let_go.set()
    again = Reads()
    assert seen(Readers(again, threads=2, seconds=LIMIT_S).read(images)) == expected
    again.let_go.set()


def test_an_image_that_waits_without_computing_is_not_slow(read: Reads) -> None:
    """On a machine that does other things an image is not refused for what those cost."""
    assert seen(Readers(read, threads=1, seconds=LIMIT_S).read([b"sleepy", b"1"])) == [0, 1]


def test_what_waits_for_its_turn_does_not_use_up_its_time(read: Reads) -> None:
    """Ten images of a third of the limit each, one after the other on one thread."""

    def some_work(data: bytes) -> Pixels:
        began = time.thread_time()
        while time.thread_time() - began < LIMIT_S / 3:
            sum(range(1000))
        return read(data)

    images = [b"%d" % n for n in range(10)]
    assert seen(Readers(some_work, threads=1, seconds=LIMIT_S).read(images)) == list(range(10))


def test_the_next_batches_are_read_while_a_cut_off_image_is_still_at_it(read: Reads) -> None:
    readers = Readers(read, threads=1, seconds=LIMIT_S)
    assert seen(readers.read([b"slow", b"1"])) == ["too_slow", 1]
    for n in range(5):
        assert seen(readers.read([b"%d" % n, b"bad"])) == [n, "unreadable"]
    assert seen(readers.read([b"2", b"slow", b"3"])) == [2, "too_slow", 3]
    assert b"slow" not in read.finished, "it is still at it"


def test_the_late_result_of_an_abandoned_image_is_nobodys_result(read: Reads) -> None:
    readers = Readers(read, threads=1, seconds=LIMIT_S)
    assert seen(readers.read([b"slow"])) == ["too_slow"]
    read.let_go.set()
    wait_until(lambda: b"slow" in read.finished)
    assert seen(readers.read([b"1", b"2"])) == [1, 2]


def test_a_thread_for_each_image_reads_them_side_by_side(read: Reads) -> None:
    """Each waits for the other one: on one thread this would not end."""
    assert seen(Readers(read, threads=2, seconds=LIMIT_S).read([b"together", b"together"])) == [0, 0]


def test_side_by_side_goes_on_after_an_image_was_cut_off(read: Reads) -> None:
    readers = Readers(read, threads=2, seconds=LIMIT_S)
    assert seen(readers.read([b"slow", b"slow", b"1"])) == ["too_slow", "too_slow", 1]
    assert seen(readers.read([b"together", b"together"])) == [0, 0]


def test_an_error_that_nobody_foresaw_is_raised_not_answered() -> None:
    """A bug is the server's fault: 5xx, and the image is sent again."""

    def broken(data: bytes) -> Pixels:
        raise ZeroDivisionError(data)

    with pytest.raises(ZeroDivisionError):
        Readers(broken, threads=1, seconds=LIMIT_S).read([b"1"])


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(int(PATIENCE_S * 100)):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it did not become true")
