"""What TorchServe answered to a group of images, dealt back to the requests that sent them. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

QUEUE_FULL = "ServiceUnavailableException"  # TorchServe's type for it; any other 5xx is about the group's worker


class GroupFailed(Exception):
    """TorchServe did not answer a group's images: each of them may be sent once more, alone."""


class Verdict(NamedTuple):
    """What is to be said of one image."""

    status: int
    entry: Mapping[str, Any]  # of this image alone: its classes, or why there are none
    shared: Mapping[str, Any]  # of its whole group: the model, the timings; one object for all of the group
    of_request: bool = False  # about the request as a whole, such as a version that is not there


class Picture(NamedTuple):
    """A heat map, passed on as it came."""

    body: bytes
    headers: Mapping[str, str]


Answer = Verdict | Picture
Body = tuple[int, dict[str, Any]]


def unavailable(sentence: str) -> Verdict:
    """The server's state, not the image's fault: to be sent again later."""
    return Verdict(503, {"error": sentence}, {})


def too_large(sentence: str, model: Mapping[str, Any]) -> Verdict:
    """An image that is refused for its size before TorchServe sees it."""
    return Verdict(413, {"code": "too_large", "error": sentence}, {"model": model} if model else {})


def deal(status: int, body: bytes, count: int, *, one_request: bool) -> list[Verdict]:
    """TorchServe's answer to a tar of `count` images as one verdict for each, in their order.

    Raises GroupFailed where the answer is about the server, or about a group of several requests as a whole.
    """
    document = _object(body)
    if status != 200:
        return [_refused(status, document, one_request=one_request)] * count
    entries = document.pop("answers", None)
    if not isinstance(entries, list) or len(entries) != count or not all(map(_is_entry, entries)):
        raise GroupFailed(f"TorchServe answered 200 with no list of {count} answers")
    kept = {"name", "status"}
    return [
        Verdict(entry["status"], {key: entry[key] for key in entry if key not in kept}, document) for entry in entries
    ]


def deal_single(status: int, body: bytes) -> Verdict:
    """TorchServe's answer to one bare image, of an archive whose handler knows no tars."""
    document = _object(body)
    if status != 200:
        verdict = _refused(status, document, one_request=True)
        if status == 404 or not verdict.of_request:
            return verdict
        fields = {key: document[key] for key in ("code", "error")}
        return Verdict(status, fields, {"model": document["model"]} if "model" in document else {})
    if "predictions" not in document:
        raise GroupFailed("TorchServe answered 200 without predictions")
    own: dict[str, Any] = {key: document.pop(key) for key in ("predictions", "uncertain") if key in document}
    return Verdict(200, own, document)


def single(verdict: Verdict) -> Body:
    """The answer to a request of one image."""
    if verdict.status >= 500:
        return 503, server_error(503, verdict.entry.get("error", "The model server failed."))
    if verdict.of_request:
        return verdict.status, dict(verdict.entry)
    shared = verdict.shared
    if verdict.status != 200:
        shared = {"model": shared["model"]} if "model" in shared else {}
    return verdict.status, {**shared, **verdict.entry}


def many(names: Sequence[str], verdicts: Sequence[Verdict], model: Mapping[str, Any]) -> Body:
    """The answer to a request of many images: one entry for each; 503 where the server failed them all."""
    whole = next((verdict for verdict in verdicts if verdict.of_request), None)
    if whole is not None or all(verdict.status >= 500 for verdict in verdicts):
        return single(whole or verdicts[0])
    groups = list({id(verdict.shared): verdict.shared for verdict in verdicts if verdict.shared}.values())
    shared = {key: value for group in reversed(groups) for key, value in group.items()}
    timings = [group["timings"] for group in groups if isinstance(group.get("timings"), dict)]
    entries = [
        {"name": name, "status": verdict.status, **verdict.entry} for name, verdict in zip(names, verdicts, strict=True)
    ]
    return 200, {"model": model, **shared, "timings": _summed(timings), "answers": entries}


def server_error(status: int, message: str) -> dict[str, Any]:
    """A body in the shape that TorchServe gives to what is not about an image."""
    return {"code": status, "type": HTTPStatus(status).phrase.replace(" ", ""), "message": message}


def _refused(status: int, document: dict[str, Any], *, one_request: bool) -> Verdict:
    """A 4xx in the handler's own shape, or TorchServe's 404; any other is the server's state, whatever its number."""
    ours = 400 <= status < 500 and isinstance(document.get("code"), str) and isinstance(document.get("error"), str)
    if status == 404 or (ours and one_request):
        return Verdict(status, document, {}, of_request=True)
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
