"""A model's workers, from TorchServe's management API."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

import aiohttp

TIMEOUT = aiohttp.ClientTimeout(total=5)


class Worker(NamedTuple):
    """One process that holds the model."""

    id: str
    pid: int
    ready: bool


async def workers(session: aiohttp.ClientSession, management_url: str, model: str) -> Sequence[Worker] | None:
    """The workers of a model's default version; None if TorchServe does not list them."""
    try:
        async with session.get(f"{management_url}/models/{quote(model, safe='')}", timeout=TIMEOUT) as response:
            body = await response.read()
    except (aiohttp.ClientError, OSError):
        return None
    return read_workers(body) if response.status == 200 else None


def read_workers(body: bytes) -> list[Worker] | None:
    """The workers in an answer to GET /models/NAME."""
    try:
        return [
            Worker(str(worker["id"]), int(worker["pid"]), worker["status"] == "READY")
            for worker in json.loads(body)[0]["workers"]
        ]
    except (ValueError, KeyError, IndexError, TypeError):
        return None
