"""A handler without TorchServe: requests to it, and its responses as the pipeline reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.contracts import ServerAnswer, ServerAnswers, ServerRejection
from tests.model_server.archives import FakeContext

if TYPE_CHECKING:
    from handler import PodiumHandler


def loaded(folder: Path, **settings: object) -> PodiumHandler:
    """A handler that serves an unpacked archive, with these settings of model-config.yaml."""
    from handler import PodiumHandler

    handler = PodiumHandler()
    handler.initialize(FakeContext(folder, settings))
    return handler


def ask(
    handler: PodiumHandler, *requests: Mapping[str, object], headers: Mapping[int, Mapping[str, str]] | None = None
) -> tuple[list[Any], FakeContext]:
    """The responses to the requests of one inference batch, and the context with their statuses and headers."""
    context = FakeContext(Path(), request_headers=headers or {})
    return handler.handle(requests, context), context


def answer(handler: PodiumHandler, photo: bytes) -> ServerAnswer:
    [body], context = ask(handler, {"body": bytearray(photo)})
    assert context.statuses == {}, body
    return ServerAnswer.model_validate_json(body)


def answers(handler: PodiumHandler, request: Mapping[str, object]) -> ServerAnswers:
    """The response to a request of many images."""
    [body], context = ask(handler, request)
    assert context.statuses == {}, body
    return ServerAnswers.model_validate_json(body)


def rejection(handler: PodiumHandler, request: Mapping[str, object]) -> tuple[int, ServerRejection]:
    [body], context = ask(handler, request)
    return context.statuses[0][0], ServerRejection.model_validate_json(body)


def probabilities(handler: PodiumHandler, photo: bytes) -> dict[str, float]:
    """Every class with its probability."""
    count = str(len(handler.classifier.classes))
    [body], context = ask(handler, {"body": photo}, headers={0: {"X-Top-K": count}})
    assert context.statuses == {}, body
    return {it["label"]: it["probability"] for it in json.loads(body)["predictions"]}


def assert_same(one: ServerAnswer, other: ServerAnswer) -> None:
    assert [p.label for p in one.predictions] == [p.label for p in other.predictions]
    odds = [[p.probability for p in found.predictions] for found in (one, other)]
    assert odds[0] == pytest.approx(odds[1], abs=1e-4)
