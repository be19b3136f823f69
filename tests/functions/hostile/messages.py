"""Messages that are almost right: every file of events/ and our own orders, with one thing in them changed."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from pipeline.contracts import ModelFacts, Order
from pipeline.queue.orders import body_of
from tests.functions.factories import ROOT, event, image_ref

Path = tuple[str | int, ...]

HUGE = "x" * 10_000
DELETED = object()
# What stands in the place of a thing; every one at every place.
WRONG: tuple[object, ...] = (
    None, 0, -1, 10**40, 1.5, float("nan"), float("inf"), True, "", " ", HUGE, "é\n\0\x1b", "%", "%ff", "../..", "3.0",
    [], {}, [[]], DELETED,
)  # fmt: skip

GARBAGE = (
    "",
    " ",
    "null",
    "0",
    '"text"',
    "[]",
    "{}",
    "{" * 10_000,
    "[" * 100_000,
    '{"Records":' * 5_000 + "1" + "}" * 5_000,
    '{"a":' + "9" * 10_000 + "}",
    '{"a": 1e999999}',
    '{"a": NaN}',
    '{"Records": [NaN, Infinity]}',
    '{"Records": [{}]}',
    '{"Records": [null]}',
    '{"Records": [[[[]]]]}',
    '{"Records": {}}',
    '{"Records": "Records"}',
    '{"a": "\\ud800"}',
    '{"\\udfff": 1}',
    '{"a": "\\u0000"}',
    "\ufeff{}",
    "{'Records': []}",
    '{"Records": []} {"Records": []}',
    '{"Records": [], }',
    '{"Type": "Notification", "TopicArn": "arn", "Message": "{}"}',
    '{"Type": "Notification", "TopicArn": "arn", "Message": "not JSON"}',
    '{"Type": "Notification", "TopicArn": "arn", "Message": {"Event": "s3:TestEvent"}}',
    '{"source": "aws.s3", "detail-type": "Object Created"}',
    '{"source": "aws.s3", "detail-type": "Object Created", "detail": []}',
    '{"source": "aws.s3", "detail-type": 5, "detail": {}}',
    '{"Event": "s3:NoTestEvent"}',
    "<Records><Record/></Records>",
    "\x1f\x8b\x08",
)
NOTHING_TO_DO = ('{"Records": []}', '{"Event": "s3:TestEvent", "Records": 5}')


def sound() -> dict[str, Any]:
    """Every message of events/ that is an object, and an order of each of our own senders; by a name."""
    bodies = {
        f"{path.stem} {number}": record["body"]
        for path in sorted((ROOT / "events").glob("sqs-*.json"))
        for number, record in enumerate(event(path.stem)["Records"])
    }
    second = ModelFacts(name="balls", version="2.0", archive_sha256="5e" * 32)
    for order in (
        Order(image=image_ref(), sender="backfill", batch="monday"),
        Order(image=image_ref(), sender="reclassify", batch="monday", model=second),
        Order(image=image_ref(), sender="reconcile"),
    ):
        bodies[order.sender] = body_of(order)
    messages = {name: _json(body) for name, body in bodies.items()}
    return {name: message for name, message in messages.items() if isinstance(message, dict)}


@cache
def changed() -> tuple[tuple[str, str], ...]:
    """Every sound message with one thing of it wrong or deleted: what was done, and the body; no body comes twice."""
    bodies: dict[str, str] = {}
    for name, message in sound().items():
        inside = {"": message}
        if "Message" in message:  # wrapped by SNS: what is inside is changed, too
            inside["Message"] = json.loads(message["Message"])
        for wrapper, document in inside.items():
            for path, value in ((path, value) for path in _paths(document) for value in WRONG):
                other = _with(document, path, value)
                body = json.dumps(message | {wrapper: json.dumps(other)} if wrapper else other)
                bodies.setdefault(body, f"{name}: {'.'.join(map(str, path))} is {str(value)[:20]!r}")
    return tuple((what, body) for body, what in bodies.items())


def _json(text: str) -> Any:  # noqa: ANN401 (JSON)
    try:
        return json.loads(text)
    except ValueError:
        return None


def _paths(document: Any, path: Path = ()) -> Iterator[Path]:  # noqa: ANN401 (JSON)
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, inner in items:
        yield (*path, key)
        yield from _paths(inner, (*path, key))


def _with(document: Any, path: Path, value: object) -> Any:  # noqa: ANN401 (JSON)
    other = copy.deepcopy(document)
    place = other
    for step in path[:-1]:
        place = place[step]
    if value is DELETED:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return other
