"""An image's steps, and how long they took."""

from __future__ import annotations

from itertools import count

import pytest

from pipeline.aws import Connections
from pipeline.classify.conclusion import Fetched
from pipeline.classify.steps import ImageSteps
from pipeline.classify.waves import Finished
from pipeline.errors import ModelUnavailable
from pipeline.settings import Settings
from tests.functions.conftest import Aws
from tests.functions.factories import NOON, order
from tests.functions.fake_model_server import ModelServer, Reply


@pytest.fixture
def steps(connections: Connections, settings: Settings) -> ImageSteps:
    """Their clock strikes a second whenever it is looked at."""
    ticks = count()
    return ImageSteps(connections, settings, lambda: 30.0, lambda: NOON, lambda: float(next(ticks)))


def fetched(aws: Aws, steps: ImageSteps, name: str = "ball.jpg") -> Fetched:
    image = steps.fetch(order(aws.upload(f"incoming/{name}")))
    assert isinstance(image, Fetched)
    return image


def test_the_time_is_told_apart_into_fetching_and_predicting(aws: Aws, steps: ImageSteps) -> None:
    timings = steps.ask_alone(fetched(aws, steps)).timings
    assert (timings.fetch_ms, timings.predict_ms) == (1000.0, 1000.0)


def test_every_image_of_a_request_took_as_long_as_the_request(aws: Aws, steps: ImageSteps) -> None:
    answers = steps.ask_together(tuple(fetched(aws, steps, f"{n}.jpg") for n in range(3)))
    assert answers is not None
    assert [it.timings.predict_ms for it in answers if not isinstance(it, ModelUnavailable)] == [1000.0] * 3
    assert steps.requests == [3]


def test_what_no_model_could_look_at_is_stored_at_once(aws: Aws, steps: ImageSteps, model_server: ModelServer) -> None:
    done = steps.fetch(order(aws.upload("incoming/notes.jpg", b"a text")))
    assert isinstance(done, Finished)
    assert (done.classification.timings.fetch_ms, done.classification.timings.predict_ms) == (1000.0, 0.0)
    assert (aws.row().rejected_code, aws.row().classified_at, model_server.paths) == ("unsupported_format", NOON, [])


def test_a_model_that_does_not_answer_is_raised_and_nothing_is_stored(
    aws: Aws, steps: ImageSteps, model_server: ModelServer
) -> None:
    model_server.reply = lambda _: Reply(503, b"")
    with pytest.raises(ModelUnavailable):
        steps.ask_alone(fetched(aws, steps))
    assert aws.rows() == []
