"""TorchServe's response to a group of images, as a response to each image and each request. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

QUEUE_FULL = "ServiceUnavailableException"  # TorchServe's type for it; any other 5xx is about the group's worker


class GroupFailed(Exception):
    """TorchServe did not answer a group's images: each of them may be sent once more, alone."""


class ImageResponse(NamedTuple):
    """The response to one image: its classes, or why there are none."""

    status: int
    entry: Mapping[str, Any]  # of this image alone: its classes, or why there are none
    shared: Mapping[str, Any]  # of its whole group: the model, the timings; one object for all of the group
    of_request: bool = False  # about the request as a whole, such as a version that is not there


class HeatMap(NamedTuple):
    """A heat map, passed on as it came."""

    body: bytes
    headers: Mapping[str, str]


Response = ImageResponse | HeatMap
Body = tuple[int, dict[str, Any]]


def unavailable(sentence: str) -> ImageResponse:
    """The server's state, not the image's fault: to be sent again later."""
    return ImageResponse(503, {"error": sentence}, {})


def refused(status: int, code: str, sentence: str, model: Mapping[str, Any]) -> ImageResponse:
    """An image that is refused before TorchServe sees it, such as for its size."""
    return ImageResponse(status, {"code": code, "error": sentence}, {"model": model} if model else {})


def deal(status: int, body: bytes, count: int, *, one_request: bool) -> list[ImageResponse]:
    """TorchServe's response to a tar of `count` images as one response to each, in their order.

    Raises GroupFailed if it is about the server, or about a group of several requests as a whole.
    """
    document = _object(body)
    if status != 200:
        return [_refused(status, document, one_request=one_request)] * count
    entries = document.pop("answers", None)
    if not isinstance(entries, list) or len(entries) != count or not all(map(_is_entry, entries)):
        raise GroupFailed(f"TorchServe answered 200 with no list of {count} answers")
    kept = {"name", "status"}
    return [
        ImageResponse(entry["status"], {key: entry[key] for key in entry if key not in kept}, document)
        for entry in entries
    ]


def deal_rejection(status: int, body: bytes) -> ImageResponse:
    """TorchServe's response to one image of which it made no heat map. Raises GroupFailed if it is about the server."""
    document = _object(body)
    response = _refused(status, document, one_request=True)
    if status == 404 or not response.of_request:
        return response
    fields = {key: document[key] for key in ("code", "error")}
    return ImageResponse(status, fields, {"model": document["model"]} if "model" in document else {})


def single(response: ImageResponse) -> Body:
    """The response to a request of one image: status and body."""
    if response.status >= 500:
        return 503, server_error(503, response.entry.get("error", "The model server failed."))
    if response.of_request:
        return response.status, dict(response.entry)
    shared = response.shared
    if response.status != 200:
        shared = {"model": shared["model"]} if "model" in shared else {}
    return response.status, {**shared, **response.entry}


def many(names: Sequence[str], responses: Sequence[ImageResponse], model: Mapping[str, Any]) -> Body:
    """The response to a request of many images: an entry for each; 503 if the server failed them all."""
    whole = next((response for response in responses if response.of_request), None)
    if whole is not None or all(response.status >= 500 for response in responses):
        return single(whole or responses[0])
    groups = list({id(response.shared): response.shared for response in responses if response.shared}.values())
    shared = {key: value for group in reversed(groups) for key, value in group.items()}
    timings = [group["timings"] for group in groups if isinstance(group.get("timings"), dict)]
    entries = [
        {"name": name, "status": response.status, **response.entry}
        for name, response in zip(names, responses, strict=True)
    ]
    return 200, {"model": model, **shared, "timings": _summed(timings), "answers": entries}


def instances(responses: Sequence[ImageResponse], model: Mapping[str, Any]) -> Body:
    """The response to images that came as `instances`: `predictions`, an entry for each, by their order alone."""
    status, body = many([""] * len(responses), responses, model)
    if "answers" in body:
        entries = body.pop("answers")
        body["predictions"] = [{key: entry[key] for key in entry if key != "name"} for entry in entries]
    return status, body


def server_error(status: int, message: str) -> dict[str, Any]:
    """A body in the shape that TorchServe gives to what is not about an image."""
    return {"code": status, "type": HTTPStatus(status).phrase.replace(" ", ""), "message": message}


def _refused(status: int, document: dict[str, Any], *, one_request: bool) -> ImageResponse:
    """A 4xx in the handler's own shape, or TorchServe's 404; any other status is about the server."""
    ours = 400 <= status < 500 and isinstance(document.get("code"), str) and isinstance(document.get("error"), str)
    if status == 404 or (ours and one_request):
        return ImageResponse(status, document, {}, of_request=True)
    if status == 503 and document.get("type") == QUEUE_FULL:
        return unavailable("The model server's queue is full.")
    raise GroupFailed(f"TorchServe answered {status}")


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("status"), int)


def _summed(timings: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for timing in timings:
        for name, value in timing.items():
            if isinstance(value, int | float):
                numbers[name] = numbers.get(name, 0) + value
    return numbers
