"""From images with their bytes to predictions, and how long it took."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from pipeline.classify.ask import Asker
from pipeline.classify.clock import Clock
from pipeline.classify.connections import Connections
from pipeline.classify.fetch import Fetcher
from pipeline.classify.images import Answered, Fetched
from pipeline.errors import ImageRejected, ModelUnavailable
from tests.functions.conftest import Aws
from tests.functions.factories import NOON, fetched, image_ref, order
from tests.functions.fake_model_server import ModelServer, Reply


@pytest.fixture
def clock() -> Clock:
    """It goes on by a second at each reading."""
    ticks = count()
    return Clock(lambda: 30.0, lambda: NOON, lambda: float(next(ticks)))


def images(number: int) -> tuple[Fetched, ...]:
    return tuple(fetched(order(image_ref(key=f"incoming/{n}.jpg"))) for n in range(number))


def answers_to(asker: Asker, *groups: tuple[Fetched, ...]) -> list[Answered]:
    return [answer() for answer in asker.ask_all(groups).values()]


def test_fetching_and_predicting_are_timed_apart(aws: Aws, connections: Connections, clock: Clock) -> None:
    image = Fetcher(connections.s3, 1_000_000, clock, ThreadPoolExecutor(1)).fetch(
        order(aws.upload("incoming/ball.jpg"))
    )
    assert isinstance(image, Fetched)
    [answer] = answers_to(Asker(connections.model, clock, ThreadPoolExecutor(1)), (image,))
    assert (answer.timings.fetch_ms, answer.timings.predict_ms, answer.began_at) == (1000.0, 1000.0, NOON)


def test_what_no_model_could_read_took_no_time_to_predict(aws: Aws, connections: Connections, clock: Clock) -> None:
    rejected = Fetcher(connections.s3, 1_000_000, clock, ThreadPoolExecutor(1)).fetch(
        order(aws.upload("incoming/notes.jpg", b"a text"))
    )
    assert isinstance(rejected, Answered)
    assert isinstance(rejected.answer, ImageRejected)
    assert (rejected.timings.fetch_ms, rejected.timings.predict_ms, rejected.began_at) == (1000.0, 0.0, NOON)


def test_every_image_of_a_request_took_as_long_as_the_request(connections: Connections, clock: Clock) -> None:
    asker = Asker(connections.model, clock, ThreadPoolExecutor(1))
    assert [it.timings.predict_ms for it in answers_to(asker, images(3))] == [1000.0] * 3
    assert asker.requests == [3]


def test_a_request_that_is_refused_as_a_whole_is_one_for_each_image_then(
    connections: Connections, clock: Clock, model_server: ModelServer
) -> None:
    model_server.reply_to_tar = lambda _: Reply(415, b"")
    asker = Asker(connections.model, clock, ThreadPoolExecutor(1))
    assert [it.order.image.key for it in answers_to(asker, images(2))] == ["incoming/0.jpg", "incoming/1.jpg"]
    assert asker.requests == [2, 1, 1]


@pytest.mark.parametrize("number", [1, 2])
def test_a_model_that_does_not_answer_is_raised_for_every_image(
    connections: Connections, clock: Clock, model_server: ModelServer, number: int
) -> None:
    model_server.reply = lambda _: Reply(503, b"")
    model_server.reply_to_tar = lambda _: Reply(503, b"")
    answers = Asker(connections.model, clock, ThreadPoolExecutor(1)).ask_all([images(number)])
    assert len(answers) == number
    for answer in answers.values():
        with pytest.raises(ModelUnavailable):
            answer()
