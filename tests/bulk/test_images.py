"""Images are fetched ahead within bounds, and answered in their order."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ReadTimeoutError

from bulk import images as room
from bulk.images import AHEAD, GROUP, MOST_BYTES, Read, read_image, results_of
from bulk.outcomes import Failure
from pipeline.classify.images import Fetched
from pipeline.contracts import Classification, ImageRef, ModelFacts, Order
from pipeline.errors import Answer
from tests.bulk.conftest import Aws, answers, photo

EXPECTED = ModelFacts(name="balls", version="1.0")


def image(number: int, size_bytes: int = 10) -> ImageRef:
    return ImageRef(bucket="photos", key=f"{number}.jpg", size_bytes=size_bytes, sequencer="")


class Fetches:
    """Counts what is in memory between fetch and answer."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.images = self.bytes = self.most_images = self.most_bytes = 0
        self.groups: list[int] = []

    def read(self, it: ImageRef) -> Read:
        with self.lock:
            self.images, self.bytes = self.images + 1, self.bytes + it.size_bytes
            self.most_images, self.most_bytes = max(self.most_images, self.images), max(self.most_bytes, self.bytes)
        return Fetched(Order(image=it, sender="backfill"), photo(it.key), datetime.now(UTC), 1.0)

    def ask(self, images: Sequence[bytes], *, budget_s: float) -> list[Answer]:
        self.groups.append(len(images))
        with self.lock:
            self.images -= len(images)
            self.bytes = 0  # as of this group's: a lower bound of what is left
        return answers(images, budget_s=budget_s)


@pytest.mark.parametrize("count", [0, 1, GROUP, GROUP + 1, 3 * AHEAD])
def test_every_image_is_answered_in_its_order(count: int) -> None:
    fetches = Fetches()
    found = list(results_of([image(number) for number in range(count)], fetches.read, fetches.ask, EXPECTED))
    labels = [it.best.label for it in found if isinstance(it, Classification) and it.best]
    assert labels == [f"{number}.jpg" for number in range(count)]
    assert sum(fetches.groups) == count
    assert fetches.most_images <= AHEAD + GROUP


def test_large_images_are_not_fetched_further_ahead_than_memory_allows() -> None:
    size = MOST_BYTES // 4
    fetches = Fetches()
    found = list(results_of([image(number, size) for number in range(40)], fetches.read, fetches.ask, EXPECTED))
    assert len(found) == 40
    assert fetches.most_images <= GROUP + 4


def test_an_image_larger_than_all_memory_for_images_is_fetched_alone() -> None:
    fetches = Fetches()
    found = list(results_of([image(0, MOST_BYTES * 2), image(1)], fetches.read, fetches.ask, EXPECTED))
    assert len(found) == 2


class Broken:
    """An S3 whose answers stop on their way, so often."""

    def __init__(self, client: object, times: int) -> None:
        self._client, self.times = client, times

    def get_object(self, **arguments: str) -> object:
        self.times -= 1
        if self.times >= 0:
            raise ReadTimeoutError(endpoint_url="https://s3")
        return self._client.get_object(**arguments)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("times", "kind"), [(room.TRIES - 1, Fetched), (room.TRIES, Failure)])
def test_bytes_that_stop_on_their_way_are_fetched_again_and_then_failed(aws: Aws, times: int, kind: type) -> None:
    aws.upload("0.jpg", photo("ball"))
    read = read_image(Broken(aws.s3, times), image(0), job="job", max_bytes=1000)  # type: ignore[arg-type]
    assert isinstance(read, kind)
