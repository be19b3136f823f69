"""Results of one SQS batch in one object: together, and no later because one of them is late."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event

import pytest

from pipeline.classify.clock import Clock, OutOfTime
from pipeline.classify.handler import IMAGES_AT_ONCE, classify_messages, threads
from pipeline.classify.images import Answered, Finished
from pipeline.classify.lines import LineStorer
from pipeline.contracts import Classification, Order
from pipeline.errors import ModelUnavailable
from pipeline.results.lines import Place
from pipeline.results.store import Stored
from pipeline.settings import Settings
from pipeline.telemetry import metrics
from tests.functions.conftest import RESULTS, Aws
from tests.functions.factories import (
    EXPECTED,
    answered,
    body_about,
    image_ref,
    order,
    server_answer,
    sqs_event,
)
from tests.functions.fake_model_server import ModelServer


@dataclass
class FakeStore:
    """Notes the images of each object and of each row, by their keys; some images' rows fail."""

    fails: str = ""
    objects: list[list[str]] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    written: Event = field(default_factory=Event)

    def put_lines(self, classifications: Sequence[Classification]) -> Sequence[Place]:
        self.objects.append(sorted(it.image.key for it in classifications))
        if "object" in self.fails:
            raise OSError("no room")
        return [Place("lines", "v1", line, "bytes=0-1") for line, _ in enumerate(classifications, start=1)]

    def put_row_of(self, classification: Classification, place: Place) -> Stored:
        assert place.line
        if classification.image.key in self.fails.split():
            raise OSError("throttled")
        self.rows.append(classification.image.key)
        self.written.set()
        return "stored"


def an_order(name: str) -> Order:
    return order(image_ref(key=name))


def ready(name: str) -> Answered:
    return answered(an_order(name), server_answer())


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as made:
        yield made


def stored(
    store: FakeStore, pool: ThreadPoolExecutor, answers: dict[Order, object], left_s: float = 30.0
) -> dict[str, Finished | BaseException]:
    storer = LineStorer(store, EXPECTED, Clock(lambda: left_s), pool)  # type: ignore[arg-type]
    return {it.image.key: outcome for it, outcome in storer.store_all(answers).items()}  # type: ignore[arg-type]


def test_what_is_answered_together_lies_in_one_object(pool: ThreadPoolExecutor) -> None:
    store = FakeStore()
    outcomes = stored(store, pool, {an_order(name): ready(name) for name in "abc"})
    assert store.objects == [["a", "b", "c"]]
    assert sorted(store.rows) == ["a", "b", "c"]
    assert all(isinstance(it, Finished) and it.stored == "stored" for it in outcomes.values())


def test_an_image_whose_answer_is_late_keeps_no_other_waiting_and_gets_its_object_later(
    pool: ThreadPoolExecutor,
) -> None:
    store = FakeStore()

    def late() -> Answered:
        assert store.written.wait(60), "the others are stored first"
        return ready("late")

    outcomes = stored(store, pool, {an_order("a"): ready("a"), an_order("late"): late})
    assert store.objects == [["a"], ["late"]]
    assert {name for name, it in outcomes.items() if isinstance(it, Finished)} == {"a", "late"}


def test_an_image_that_is_never_answered_fails_and_no_other(pool: ThreadPoolExecutor) -> None:
    def unavailable() -> Answered:
        raise ModelUnavailable("it is down")

    store = FakeStore()
    outcomes = stored(store, pool, {an_order("a"): ready("a"), an_order("b"): unavailable})
    assert store.objects == [["a"]]
    assert isinstance(outcomes["a"], Finished)
    assert isinstance(outcomes["b"], ModelUnavailable)


def test_an_image_whose_own_work_ran_out_of_time_is_settled(pool: ThreadPoolExecutor) -> None:
    def late() -> Answered:
        raise OutOfTime("the fetch took too long")

    outcomes = stored(FakeStore(), pool, {an_order("a"): ready("a"), an_order("b"): late})
    assert isinstance(outcomes["a"], Finished)
    assert str(outcomes["b"]) == "the fetch took too long"


def test_a_row_that_fails_fails_its_image_alone(pool: ThreadPoolExecutor) -> None:
    store = FakeStore(fails="b")
    outcomes = stored(store, pool, {an_order(name): ready(name) for name in "abc"})
    assert sorted(store.rows) == ["a", "c"]
    assert isinstance(outcomes["b"], OSError)


def test_an_object_that_cannot_be_written_fails_its_images_and_no_row_is_written(pool: ThreadPoolExecutor) -> None:
    store = FakeStore(fails="object")
    outcomes = stored(store, pool, {an_order(name): ready(name) for name in "ab"})
    assert store.rows == []
    assert all(isinstance(it, OSError) for it in outcomes.values())


def test_no_image_no_object(pool: ThreadPoolExecutor) -> None:
    store = FakeStore()
    assert stored(store, pool, {}) == {}
    assert store.objects == []


def test_when_the_time_ends_what_is_answered_is_stored_and_the_rest_comes_again(pool: ThreadPoolExecutor) -> None:
    store, over = FakeStore(), Event()

    def hangs() -> Answered:
        over.wait(60)
        return ready("hangs")

    outcomes = stored(store, pool, {an_order("a"): ready("a"), an_order("hangs"): hangs}, left_s=1.0)
    over.set()
    assert store.objects == [["a"]]
    assert isinstance(outcomes["a"], Finished)
    assert isinstance(outcomes["hangs"], OutOfTime)


@pytest.mark.parametrize("images", [20, IMAGES_AT_ONCE + 8])
def test_the_function_writes_one_object_for_an_sqs_batch(
    aws: Aws, settings: Settings, model_server: ModelServer, images: int
) -> None:
    """Of more images than fit in memory, one for each wave."""
    from pipeline.classify.connections import open_connections
    from pipeline.queue.messages import SqsBatch

    uploads = [aws.upload(f"incoming/monday/{number:02}.jpg") for number in range(images)]
    event = sqs_event(*(body_about(image) for image in uploads))
    lines = settings.model_copy(update={"results": "lines"})
    messages = SqsBatch.model_validate(event).messages
    response = classify_messages(messages, lines, open_connections(lines), Clock(lambda: 30.0), threads)
    metrics.clear_metrics()
    assert response == {"batchItemFailures": []}
    objects = [it["Key"] for it in aws.s3.list_objects_v2(Bucket=RESULTS)["Contents"]]
    assert len(objects) == -(-images // IMAGES_AT_ONCE)
    rows = aws.rows()
    assert len(rows) == images
    for row, image in zip(rows, uploads, strict=True):
        assert aws.result_of(row)["image"]["version_id"] == image.version_id == row.version_id
