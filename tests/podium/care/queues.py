"""What lies on a queue, and a queue that fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from podium.connection import Connection


def bodies(connection: Connection, url: str) -> list[str]:
    """The messages that are visible; they are made so again."""
    found: list[str] = []
    while messages := connection.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [message["Body"] for message in messages]
    return sorted(found)


class Sqs:
    """The connection's SQS, with some of its verbs changed."""

    def __init__(self, real: object, **changed: Callable[..., Any]) -> None:
        self._real, self._changed = real, changed

    def __getattr__(self, verb: str) -> Any:  # noqa: ANN401 - boto3's own
        return self._changed.get(verb) or getattr(self._real, verb)


def fails(**_: object) -> None:
    raise ClientError({"Error": {"Code": "InternalError", "Message": "try again"}}, "DeleteMessage")
