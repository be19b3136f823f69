"""The promises can be kept, and each notices when it is broken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.promises import PROMISES, conversions, many_images, one_image, other_ways, the_server
from tests.conformance.reference import Reference, Reply
from tests.conformance.running import running
from tests.conformance.server import NotOffered, Promise, Server
from tests.conformance.violations import VIOLATIONS, Images


@pytest.fixture(scope="module")
def reference() -> Iterator[Server]:
    with running(Reference()) as server:
        yield server


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_the_reference_keeps(promise: Promise, reference: Server) -> None:
    promise(reference)


@pytest.mark.parametrize("broken", VIOLATIONS, ids=lambda broken: broken.__name__)
def test_is_noticed(broken: type[Reference]) -> None:
    with running(broken()) as server, pytest.raises(AssertionError):
        VIOLATIONS[broken](server)


def test_every_promise_is_broken_by_somebody_or_follows_from_one_that_is() -> None:
    follow = {
        one_image.an_image_is_answered_the_same_way_twice,
        one_image.a_bad_image_never_harms_those_that_are_sent_at_the_same_time,
        many_images.a_tar_of_one_image_is_answered_as_a_list,
        many_images.tars_of_every_usual_kind_are_read,
        many_images.top_k_counts_for_every_image_of_a_tar,
    }
    assert set(PROMISES) - set(VIOLATIONS.values()) == follow


class SeesNoDifference(Reference):
    """A model with the same prediction for every picture."""

    def look_at(self, data: bytes, top_k: int) -> dict[str, Any]:
        super().look_at(data, top_k)
        return {"predictions": [{"label": "red", "probability": 1.0}], "uncertain": None}


@pytest.mark.parametrize("promise", conversions.PROMISES, ids=lambda promise: promise.__name__)
def test_a_model_that_distinguishes_no_pictures_cannot_test_how_they_are_read(promise: Promise) -> None:
    with running(SeesNoDifference()) as server, pytest.raises(NotOffered, match="it cannot be tested"):
        promise(server)


class OneAtATime(Reference):
    """A server that does not know tars: to it they are no images."""

    token = None
    knows_json = False
    codings = ()

    def images(self, body: bytes, content_type: str) -> tuple[Images, bool]:
        named, _ = ([("body", body)], False) if body[257:262] == b"ustar" else super().images(body, content_type)
        return named[:1], False

    def explanation(self, _: bytes) -> Reply:
        return Reply(404, {"code": 404, "type": "NotFound", "message": "nothing here"})


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_a_server_that_takes_one_image_at_a_time_and_explains_nothing_conforms(promise: Promise) -> None:
    optional = (
        *many_images.PROMISES,
        *other_ways.PROMISES,
        one_image.an_explanation_is_a_picture_for_the_best_class,
        the_server.a_busy_server_sends_a_retry_after,
        the_server.without_a_known_token_a_request_is_unauthorized,
    )
    with running(OneAtATime()) as server:
        try:
            promise(server)
        except NotOffered:
            assert promise in optional
