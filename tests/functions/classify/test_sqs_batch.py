"""One SQS batch: at once, within its time, each message for itself; with everything around it faked."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier, Event
from typing import Any, cast

import pytest

from pipeline.classify.clock import Clock
from pipeline.classify.connections import Connections
from pipeline.classify.handler import IMAGES_AT_ONCE, classify_messages, threads
from pipeline.classify.trial import Trial
from pipeline.contracts import INCOMING_PREFIX, Classification, ModelFacts, Order
from pipeline.errors import Answer, ModelUnavailable, NotTogether
from pipeline.queue.messages import Message
from pipeline.results.store import Stored
from pipeline.telemetry import metrics
from tests.functions.factories import JPEG, body_about, deployed_settings, image_ref, message, server_answer
from tests.functions.invoking import WatchedPool


def nothing(_: str) -> None:
    pass


@dataclass
class FakeS3:
    """Every object but `text` is a JPEG that contains its name; `get` is what happens before."""

    get: Callable[[str], object] = nothing
    names: Counter[str] = field(default_factory=Counter)

    def get_object(self, *, Key: str, **_: str) -> dict[str, Any]:  # noqa: N803 (as boto3 has it)
        name = Key.removeprefix(INCOMING_PREFIX)
        self.names[name] += 1
        self.get(name)
        return {"Body": io.BytesIO(b"a text" if name == "text" else JPEG + name.encode())}


def answer_all(names: Sequence[str]) -> list[Answer]:
    return [server_answer() for _ in names]


@dataclass
class FakeModel:
    """Notes which images shared a request, and which had one of their own."""

    answer: Callable[[Sequence[str]], list[Answer]] = answer_all
    most: int = 20
    together: list[list[str]] = field(default_factory=list)
    alone: list[str] = field(default_factory=list)

    def images_at_once(self) -> int:
        return self.most

    def ask(self, images: Sequence[bytes], *, budget_s: float, model: ModelFacts | None = None) -> list[Answer]:
        assert (budget_s > 0, model) == (True, None)
        names = [data.removeprefix(JPEG).decode() for data in images]
        if len(names) == 1:
            self.alone += names
        else:
            self.together.append(names)
        return self.answer(names)


@dataclass
class FakeStore:
    put_one: Callable[[str], object] = nothing
    stored: list[str] = field(default_factory=list)

    def put(self, classification: Classification) -> Stored:
        name = classification.image.key.removeprefix(INCOMING_PREFIX)
        self.put_one(name)
        self.stored.append(name)
        return "stored"


@dataclass
class FakeQueue:
    bury_one: Callable[[str], object] = nothing
    buried: list[tuple[str, str]] = field(default_factory=list)
    postponed: list[str] = field(default_factory=list)

    def bury(self, buried: Message, code: str, reason: str) -> None:
        assert reason
        self.bury_one(buried.message_id)
        self.buried.append((buried.message_id, code))

    def postpone(self, messages: Iterable[tuple[Message, int]]) -> None:
        self.postponed += [message.message_id for message, _ in messages]


class NoTrials:
    """No rollout."""

    def begin(self, _clock: Clock, _orders: Collection[Order], _pool: Executor) -> Trial:
        return Trial()

    def end(self, _trial: Trial, _clock: Clock, _pool: Executor) -> None:
        pass


@dataclass
class Line:
    """The function between its fakes; a test changes one of them."""

    s3: FakeS3 = field(default_factory=FakeS3)
    model: FakeModel = field(default_factory=FakeModel)
    store: FakeStore = field(default_factory=FakeStore)
    queue: FakeQueue = field(default_factory=FakeQueue)
    trials: NoTrials = field(default_factory=NoTrials)
    left_s: Callable[[], float] = lambda: 30.0
    workers: Callable[[], Executor] = threads

    def failed(self, *bodies: str, received: Sequence[int] = ()) -> list[str]:
        """The messages m0, m1, ... that come again; each is the names of its images, or a whole body.

        `received`: how often each message was handed out; once by default.
        """
        receives = [*received, *[1] * (len(bodies) - len(received))]
        messages = tuple(message(body_with(body), f"m{n}", receives[n]) for n, body in enumerate(bodies))
        return self.failed_of(messages)

    def failed_of(self, messages: tuple[Message, ...]) -> list[str]:
        connections = cast("Connections", self)
        response = classify_messages(messages, SETTINGS, connections, Clock(self.left_s), self.workers)
        return [it["itemIdentifier"] for it in response["batchItemFailures"]]


def body_with(names: str) -> str:
    images = (image_ref(key=f"{INCOMING_PREFIX}{name}") for name in names.split())
    return names if names.startswith("{") else body_about(*images)


SETTINGS = deployed_settings()


@pytest.fixture(autouse=True)
def _no_metrics_for_another_test() -> Iterator[None]:
    yield
    metrics.clear_metrics()


def reasons(caplog: pytest.LogCaptureFixture) -> dict[str, str]:
    """Why images are not done yet, by their names."""
    lines = [vars(record) for record in caplog.records if record.message == "image not done yet"]
    return {line["image"].rpartition("/")[2]: line["reason"] for line in lines}


def test_all_images_of_all_messages_are_fetched_together_and_stored_together() -> None:
    fetching, storing = Barrier(20), Barrier(20)
    line = Line(FakeS3(lambda _: fetching.wait(60)), store=FakeStore(lambda _: storing.wait(60)))
    assert line.failed(*[f"a{n} b{n}" for n in range(10)]) == []
    assert len(line.store.stored) == 20


def test_the_images_of_a_batch_are_sent_in_one_request_and_one_image_by_itself() -> None:
    line = Line()
    assert line.failed("a", "b c") == []
    assert line.failed("d") == []
    assert (line.model.together, line.model.alone) == ([["a", "b", "c"]], ["d"])


def test_a_model_that_takes_one_image_at_once_gets_each_in_a_request_of_its_own() -> None:
    line = Line(model=FakeModel(most=1))
    assert line.failed("a", "b c") == []
    assert (line.model.together, sorted(line.model.alone)) == ([], ["a", "b", "c"])


def test_the_images_of_a_message_that_came_before_are_sent_alone_even_if_another_message_names_them() -> None:
    line = Line()
    assert line.failed("a", "b c", "b d", received=[1, 2]) == []
    assert (line.model.together, sorted(line.model.alone)) == ([["a", "d"]], ["b", "c"])


def test_images_that_the_model_does_not_take_together_are_sent_alone_at_once() -> None:
    def answer(names: Sequence[str]) -> list[Answer]:
        if len(names) > 1:
            raise NotTogether
        return answer_all(names)

    line = Line(model=FakeModel(answer))
    assert line.failed("a", "b", "c") == []
    assert (line.model.together, sorted(line.model.alone)) == ([["a", "b", "c"]], ["a", "b", "c"])


def test_a_request_that_is_not_answered_fails_its_own_images_and_no_others() -> None:
    def answer(names: Sequence[str]) -> list[Answer]:
        if "bad" in names:
            raise ModelUnavailable("507")
        return answer_all(names)

    line = Line(model=FakeModel(answer, most=2))
    assert line.failed("a bad", "c", "d") == ["m0"]
    assert sorted(line.model.together) == [["a", "bad"], ["c", "d"]]
    assert line.queue.postponed == ["m0"]


def test_an_image_is_not_stored_later_because_another_request_hangs() -> None:
    over, quick_are_stored = Event(), Barrier(3)

    def answer(names: Sequence[str]) -> list[Answer]:
        if names == ["hangs"]:
            over.wait(60)
        return answer_all(names)

    def free() -> None:
        quick_are_stored.wait(60)
        over.set()

    store = FakeStore(lambda name: name == "hangs" or quick_are_stored.wait(60))
    with ThreadPoolExecutor(1) as thread:
        freed = thread.submit(free)
        assert Line(model=FakeModel(answer), store=store).failed("hangs", "a", "b", received=[2]) == []
        freed.result()


def test_an_image_named_twice_is_worked_on_once() -> None:
    """In one message, and in two."""
    line = Line()
    assert line.failed("a a b", "a") == []
    assert line.s3.names == {"a": 1, "b": 1}


def test_a_message_fails_when_any_of_its_images_did_and_its_neighbours_do_not() -> None:
    def answer(names: Sequence[str]) -> list[Answer]:
        return [ModelUnavailable("503") if name == "bad" else server_answer() for name in names]

    line = Line(model=FakeModel(answer))
    assert line.failed("a bad c", "d", "bad") == ["m0", "m2"]
    assert sorted(line.store.stored) == ["a", "c", "d"]


def test_an_image_that_no_model_could_read_is_stored_without_a_request() -> None:
    line = Line()
    assert line.failed("a text") == []
    assert (line.model.together, line.model.alone, sorted(line.store.stored)) == ([], ["a"], ["a", "text"])


def test_a_bug_fails_its_own_message_alone(caplog: pytest.LogCaptureFixture) -> None:
    """In the reading of one message, and in the work on an image of another."""
    line = Line(FakeS3(lambda name: 1 / (name != "c")))
    unread = message("", "m1").model_copy(update={"body": None})
    messages = (message(body_with("a"), "m0"), unread, message(body_with("c"), "m2"))
    assert line.failed_of(messages) == ["m1", "m2"]
    problems = {record.message: record.exc_info[0] for record in caplog.records if record.exc_info}
    assert problems == {"message failed": TypeError, "image failed": ZeroDivisionError}
    assert line.queue.postponed == []


def test_an_unreadable_message_is_buried_once_and_done_with() -> None:
    line = Line()
    assert line.failed('{"no": "event"}', "a") == []
    assert (line.queue.buried, line.store.stored) == ([("m0", "unreadable")], ["a"])


def test_an_unreadable_message_that_cannot_be_buried_comes_again() -> None:
    line = Line(queue=FakeQueue(lambda _: 1 / 0))
    assert line.failed('{"no": "event"}', "a") == ["m0"]


def test_a_message_that_asks_for_nothing_is_done_with() -> None:
    assert Line().failed("", "") == []


def test_what_is_not_finished_in_time_is_reported_and_what_is_finished_counts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The time is over when both messages are read, both images fetched, and the quick one is stored."""
    over, pool = Event(), WatchedPool()

    def answer(names: Sequence[str]) -> list[Answer]:
        if names == ["slow"]:
            over.wait(60)
        return answer_all(names)

    left_s = pool.left_s(before=30.0, done=5, after=0.0)
    line = Line(model=FakeModel(answer), left_s=left_s, workers=lambda: pool)
    assert line.failed("quick", "slow", received=[2, 2]) == ["m1"]
    assert reasons(caplog) == {"slow": "the invocation's time ended before this was done"}
    over.set()


def test_an_image_that_cannot_be_fetched_in_time_does_not_hold_up_its_neighbours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Ten of thirty seconds are for fetching; they are over when both messages are read and the quick image is there."""
    over, pool = Event(), WatchedPool()
    line = Line(
        FakeS3(lambda name: name == "slow" and over.wait(60)),
        left_s=pool.left_s(before=30.0, done=3, after=20.0),
        workers=lambda: pool,
    )
    assert line.failed("quick", "slow") == ["m1"]
    assert reasons(caplog) == {"slow": "S3 did not hand over the image in the time that its neighbours could wait"}
    assert line.store.stored == ["quick"]
    over.set()


def test_images_that_never_began_come_again_too() -> None:
    """More images than threads, and no time at all."""
    over, names = Event(), [f"i{n}" for n in range(IMAGES_AT_ONCE + 5)]
    line = Line(FakeS3(lambda _: over.wait(60)), left_s=lambda: -3.0)
    assert line.failed(*names) == [f"m{n}" for n in range(len(names))]
    over.set()


def test_no_more_images_are_in_memory_than_there_is_room_for() -> None:
    """A message may name hundreds: they come in waves."""
    names = [f"i{n}" for n in range(2 * IMAGES_AT_ONCE + 1)]
    line = Line(model=FakeModel(most=1_000))
    assert line.failed(" ".join(names)) == []
    assert [len(it) for it in line.model.together] == [IMAGES_AT_ONCE, IMAGES_AT_ONCE]
    assert line.model.alone == names[-1:]
