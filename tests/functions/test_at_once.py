"""One SQS batch: at once, within its time, each message for itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from threading import Barrier, Event

from pipeline.at_once import IMAGES_AT_ONCE, Finished, OutOfTime, Report, work_at_once
from pipeline.contracts import Order
from pipeline.errors import MessageUnreadable, ModelUnavailable
from pipeline.queue import Message
from tests.functions.factories import classification, image_ref, message, order


def finish(order: Order) -> Finished:
    return Finished(classification(order.image), "stored")


def images_named(body: str) -> tuple[Order, ...]:
    """A message of these tests is the keys of its images."""
    return tuple(order(image_ref(key=key)) for key in body.split())


def bury_nothing(buried: Message, _: str) -> None:
    raise AssertionError(f"{buried.message_id} is readable")


def work_on(
    *bodies: str,
    read: Callable[[str], tuple[Order, ...]] = images_named,
    work: Callable[[Order], Finished] = finish,
    bury: Callable[[Message, str], None] = bury_nothing,
    time_left_s: float = 30,
) -> Report:
    messages = [message(body, f"m{n}") for n, body in enumerate(bodies)]
    return work_at_once(messages, read=read, work=work, bury=bury, time_left_s=lambda: time_left_s)


def failed(report: Report, count: int) -> list[str]:
    return [f"m{n}" for n in range(count) if report.problems(f"m{n}")]


def test_all_images_of_all_messages_are_under_way_together() -> None:
    everybody = Barrier(20)

    def work(order: Order) -> Finished:
        everybody.wait(10)
        return finish(order)

    report = work_on(*[f"a{n} b{n}" for n in range(10)], work=work)
    assert failed(report, 10) == []
    assert len(report.orders) == 20


def test_an_image_named_twice_is_worked_on_once() -> None:
    """Trap 7."""
    worked: Counter[str] = Counter()

    def work(order: Order) -> Finished:
        worked[order.image.key] += 1
        return finish(order)

    assert failed(work_on("a a b", "a", work=work), 2) == []
    assert worked == {"a": 1, "b": 1}


def test_a_message_fails_when_any_of_its_images_did_and_its_neighbours_do_not() -> None:
    """Trap 6."""

    def work(order: Order) -> Finished:
        if order.image.key == "bad":
            raise ModelUnavailable("503")
        return finish(order)

    report = work_on("a bad c", "d", "bad", work=work)
    assert failed(report, 3) == ["m0", "m2"]
    assert isinstance(report.orders[order(image_ref(key="c"))], Finished)


def test_a_bug_fails_its_own_message_alone() -> None:
    def work(order: Order) -> Finished:
        if order.image.key == "c":
            raise KeyError(order.image.key)
        return finish(order)

    def read(body: str) -> tuple[Order, ...]:
        return images_named(body) if body != "m1" else images_named(str(1 / 0))

    report = work_on("a", "m1", "c", read=read, work=work)
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
    over, quick_is_done = Event(), Event()

    def work(order: Order) -> Finished:
        if order.image.key == "slow":
            over.wait(10)
        else:
            quick_is_done.set()
        return finish(order)

    def time_left_s() -> float:
        assert quick_is_done.wait(10)
        return 0.2

    messages = [message("quick", "m0"), message("slow", "m1")]
    report = work_at_once(messages, read=images_named, work=work, bury=bury_nothing, time_left_s=time_left_s)
    over.set()
    assert failed(report, 2) == ["m1"]
    assert isinstance(report.problems("m1")[0], OutOfTime)


def test_images_that_never_began_are_reported_too() -> None:
    """Trap 10: more images than threads, and no time at all."""
    over, names = Event(), [f"i{n}" for n in range(IMAGES_AT_ONCE + 5)]

    def work(order: Order) -> Finished:
        over.wait(10)
        return finish(order)

    report = work_on(*names, work=work, time_left_s=-3)
    over.set()
    assert failed(report, len(names)) == [f"m{n}" for n in range(len(names))]
