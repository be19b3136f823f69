"""One SQS batch: at once, within its time, each message for itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, repeat
from threading import Barrier, Event

from pipeline.classify.conclusion import Fetched
from pipeline.classify.groups import Group, groups_of
from pipeline.classify.sqs_batch import Report, work_at_once
from pipeline.classify.waves import IMAGES_AT_ONCE, Answers, Finished, OutOfTime
from pipeline.contracts import Classification, Order
from pipeline.errors import MessageUnreadable, ModelUnavailable
from pipeline.queue.messages import Message
from tests.functions.factories import classification, fetched, image_ref, message, order


def result(image: Fetched) -> Classification:
    return classification(image.order.image)


def together(images: Group) -> Answers:
    return [result(image) for image in images]


def finish(result: Classification) -> Finished:
    return Finished(result, "stored")


@dataclass(frozen=True)
class Faked:
    """The ordinary way of an image; a test changes one step of it."""

    fetch: Callable[[Order], Fetched | Finished] = fetched
    ask_alone: Callable[[Fetched], Classification] = result
    ask_together: Callable[[Group], Answers | None] = together
    store: Callable[[Classification], Finished] = finish


def images_named(body: str) -> tuple[Order, ...]:
    """A message of these tests is the keys of its images."""
    return tuple(order(image_ref(key=key)) for key in body.split())


def bury_nothing(buried: Message, _: str) -> None:
    raise AssertionError(f"{buried.message_id} is readable")


def work_on(
    *bodies: str,
    read: Callable[[str], tuple[Order, ...]] = images_named,
    steps: Faked = Faked(),
    group: Callable[[Sequence[Fetched], Collection[Order]], Sequence[Group]] = groups_of,
    bury: Callable[[Message, str], None] = bury_nothing,
    time_left_s: Callable[[], float] = lambda: 30.0,
    received: Sequence[int] = (),
) -> Report:
    """`received`: how often each message was handed out; once, if it is not said."""
    receives = [*received, *[1] * (len(bodies) - len(received))]
    messages = [message(body, f"m{n}", receives[n]) for n, body in enumerate(bodies)]
    return work_at_once(messages, read=read, steps=steps, group=group, bury=bury, time_left_s=time_left_s)


def failed(report: Report, count: int) -> list[str]:
    return [f"m{n}" for n in range(count) if report.problems(f"m{n}")]


def key_of(image: Fetched) -> str:
    return image.order.image.key


class Asked:
    """Notes which images were asked together, and which alone."""

    def __init__(self, answers: Callable[[Group], Answers | None] = together) -> None:
        self.together: list[list[str]] = []
        self.alone: list[str] = []
        self._answers = answers

    def steps(self) -> Faked:
        return Faked(ask_alone=self._ask_alone, ask_together=self._ask_together)

    def _ask_alone(self, image: Fetched) -> Classification:
        self.alone.append(key_of(image))
        return result(image)

    def _ask_together(self, images: Group) -> Answers | None:
        self.together.append([key_of(image) for image in images])
        return self._answers(images)


def test_all_images_of_all_messages_are_fetched_together_and_stored_together() -> None:
    fetching, storing = Barrier(20), Barrier(20)

    def fetch(order: Order) -> Fetched:
        fetching.wait(10)
        return fetched(order)

    def store(result: Classification) -> Finished:
        storing.wait(10)
        return finish(result)

    report = work_on(*[f"a{n} b{n}" for n in range(10)], steps=Faked(fetch=fetch, store=store))
    assert failed(report, 10) == []
    assert len(report.orders) == 20


def test_the_images_of_a_batch_are_asked_in_one_request_and_one_image_by_itself() -> None:
    asked = Asked()
    assert failed(work_on("a", "b c", steps=asked.steps()), 2) == []
    assert failed(work_on("d", steps=asked.steps()), 1) == []
    assert (asked.together, asked.alone) == ([["a", "b", "c"]], ["d"])


def test_the_images_of_a_message_that_came_before_are_asked_alone_whoever_else_names_them() -> None:
    asked = Asked()
    assert failed(work_on("a", "b c", "b d", steps=asked.steps(), received=[1, 2]), 3) == []
    assert (asked.together, sorted(asked.alone)) == ([["a", "d"]], ["b", "c"])


def test_images_that_the_server_does_not_take_together_are_asked_alone_at_once() -> None:
    asked = Asked(lambda _: None)
    assert failed(work_on("a", "b", "c", steps=asked.steps()), 3) == []
    assert (asked.together, sorted(asked.alone)) == ([["a", "b", "c"]], ["a", "b", "c"])


def test_a_request_that_is_not_answered_fails_its_own_images_and_no_others() -> None:
    def answer(images: Group) -> Answers:
        if "bad" in map(key_of, images):
            raise ModelUnavailable("507")
        return together(images)

    def in_pairs(images: Sequence[Fetched], _: Collection[Order]) -> Sequence[Group]:
        return [tuple(images[n : n + 2]) for n in range(0, len(images), 2)]

    report = work_on("a bad", "c", "d", steps=Faked(ask_together=answer), group=in_pairs)
    assert failed(report, 3) == ["m0"]


def test_an_image_is_not_stored_later_because_another_request_hangs() -> None:
    over, quick_are_stored = Event(), Barrier(3)

    def ask_alone(image: Fetched) -> Classification:
        over.wait(10)
        return result(image)

    def store(result: Classification) -> Finished:
        if result.image.key != "hangs":
            quick_are_stored.wait(10)
        return finish(result)

    def free() -> None:
        quick_are_stored.wait(10)
        over.set()

    with ThreadPoolExecutor(1) as thread:
        freed = thread.submit(free)
        report = work_on("hangs", "a", "b", steps=Faked(ask_alone=ask_alone, store=store), received=[2])
        freed.result()
    assert failed(report, 3) == []


def test_an_image_named_twice_is_worked_on_once() -> None:
    """Trap 7."""
    worked: Counter[str] = Counter()

    def fetch(order: Order) -> Fetched:
        worked[order.image.key] += 1
        return fetched(order)

    assert failed(work_on("a a b", "a", steps=Faked(fetch=fetch)), 2) == []
    assert worked == {"a": 1, "b": 1}


def test_a_message_fails_when_any_of_its_images_did_and_its_neighbours_do_not() -> None:
    """Trap 6."""

    def answer(images: Group) -> Answers:
        return [ModelUnavailable("503") if key_of(image) == "bad" else result(image) for image in images]

    report = work_on("a bad c", "d", "bad", steps=Faked(ask_together=answer))
    assert failed(report, 3) == ["m0", "m2"]
    assert isinstance(report.orders[order(image_ref(key="c"))], Finished)


def test_an_image_that_no_model_could_look_at_is_not_asked_for() -> None:
    def fetch(order: Order) -> Fetched | Finished:
        return finish(classification(order.image)) if order.image.key == "text" else fetched(order)

    asked = Asked()
    steps = Faked(fetch, asked.steps().ask_alone, asked.steps().ask_together)
    assert failed(work_on("a text", steps=steps), 1) == []
    assert (asked.together, asked.alone) == ([], ["a"])


def test_a_bug_fails_its_own_message_alone() -> None:
    def fetch(order: Order) -> Fetched:
        if order.image.key == "c":
            raise KeyError(order.image.key)
        return fetched(order)

    def read(body: str) -> tuple[Order, ...]:
        return images_named(body) if body != "m1" else images_named(str(1 / 0))

    report = work_on("a", "m1", "c", read=read, steps=Faked(fetch=fetch))
    assert failed(report, 3) == ["m1", "m2"]
    assert isinstance(report.problems("m1")[0], ZeroDivisionError)
    assert isinstance(report.problems("m2")[0], KeyError)


def unreadable(body: str) -> tuple[Order, ...]:
    raise MessageUnreadable(f"{body} is no event")


def test_an_unreadable_message_is_buried_once_and_done_with() -> None:
    buried: list[tuple[str, str]] = []
    report = work_on("x", read=unreadable, bury=lambda it, reason: buried.append((it.message_id, reason)))
    assert buried == [("m0", "x is no event")]
    assert (failed(report, 1), report.unreadable) == ([], {"m0": "x is no event"})


def test_an_unreadable_message_that_cannot_be_buried_comes_again() -> None:
    def bury(_: Message, __: str) -> None:
        raise ConnectionError("the dead-letter queue does not answer")

    assert failed(work_on("x", read=unreadable, bury=bury), 1) == ["m0"]


def test_a_message_that_asks_for_nothing_is_done_with() -> None:
    assert failed(work_on("", ""), 2) == []


def test_what_is_not_finished_in_time_is_reported_and_what_is_finished_counts() -> None:
    """Trap 10. The slow image waits for the end of the test, not for a number of seconds."""
    over, slow_is_asked, quick_is_done = Event(), Event(), Event()

    def ask_alone(image: Fetched) -> Classification:
        if key_of(image) == "slow":
            slow_is_asked.set()
            over.wait(10)
        return result(image)

    def store(result: Classification) -> Finished:
        quick_is_done.set()
        return finish(result)

    def time_left_s() -> float:
        return 0.2 if slow_is_asked.is_set() and quick_is_done.wait(10) else 30.0

    steps = Faked(ask_alone=ask_alone, store=store)
    report = work_on("quick", "slow", steps=steps, received=[2, 2], time_left_s=time_left_s)
    over.set()
    assert failed(report, 2) == ["m1"]
    assert isinstance(report.problems("m1")[0], OutOfTime)


def test_an_image_that_cannot_be_fetched_in_time_does_not_hold_up_its_neighbours() -> None:
    """Ten of thirty seconds are for fetching; here they are over as soon as the quick image is there."""
    over, left_s = Event(), chain([30.0, 30.0], repeat(20.0))

    def fetch(order: Order) -> Fetched:
        if order.image.key == "slow":
            over.wait(10)
        return fetched(order)

    report = work_on("quick", "slow", steps=Faked(fetch=fetch), time_left_s=lambda: next(left_s))
    over.set()
    assert failed(report, 2) == ["m1"]
    assert isinstance(report.problems("m1")[0], OutOfTime)


def test_images_that_never_began_are_reported_too() -> None:
    """Trap 10: more images than threads, and no time at all."""
    over, names = Event(), [f"i{n}" for n in range(IMAGES_AT_ONCE + 5)]

    def fetch(order: Order) -> Fetched:
        over.wait(10)
        return fetched(order)

    report = work_on(*names, steps=Faked(fetch=fetch), time_left_s=lambda: -3.0)
    over.set()
    assert failed(report, len(names)) == [f"m{n}" for n in range(len(names))]


def test_no_more_images_are_in_memory_than_there_is_room_for() -> None:
    """A message may name hundreds: they come in waves."""
    names, asked = [f"i{n}" for n in range(2 * IMAGES_AT_ONCE + 1)], Asked()

    def as_one(images: Sequence[Fetched], _: Collection[Order]) -> Sequence[Group]:
        return [tuple(images)]

    assert failed(work_on(" ".join(names), steps=asked.steps(), group=as_one), 1) == []
    assert [len(it) for it in asked.together] == [IMAGES_AT_ONCE, IMAGES_AT_ONCE]
    assert asked.alone == names[-1:]
