"""Responses in JSON, and requests that are turned away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

MOST_QUOTED = 200  # characters of what a client sent, in a sentence about it
CLOSING = {"Connection": "close"}
_IN_JSON = json.JSONEncoder(check_circular=False).encode  # half the time of json.dumps


class Refused(Exception):
    """A request that is turned away before its body is read, or while it waits."""

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.headers = status, headers or {}


def reply(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> web.Response:
    """A response in JSON; with a header `Connection` it is the connection's last one."""
    response = web.Response(
        status=status, body=_IN_JSON(body).encode(), content_type="application/json", headers=headers
    )
    if headers and "Connection" in headers:
        response.force_close()
    return response


def cut(text: str) -> str:
    """The beginning of what a client sent, for a sentence: a response is no larger for it."""
    return text if len(text) <= MOST_QUOTED else f"{text[:MOST_QUOTED]}..."
