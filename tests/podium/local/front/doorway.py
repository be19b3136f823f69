"""boto3 before the door, without a network: its requests go through the door to an emulator that only notes them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config

from podium.local.front.bodies import Message, Receive
from podium.local.front.door import Door, Scope, Send
from podium.local.front.refusals import Refused

HOST = "127.0.0.1:4566"
KEY = "000000000000"
SECRET = "made-at-the-first-up"
SESSION = boto3.Session(region_name="us-east-1")  # one, for it keeps the services' models

Json = Any


class Doorway:
    """A door, the requests that reach the emulator behind it, and clients before it."""

    def __init__(self, now: datetime | None = None) -> None:
        self.passed: list[tuple[str, str, bytes]] = []  # method, path and query, body
        self.scopes: list[Scope] = []
        self.now = now
        self._door = Door(self._emulator, KEY, self._secret_of, lambda: self.now or datetime.now(UTC))

    def client(self, service: str, secret: str = SECRET, key: str = KEY, **config: Json) -> Json:
        """A boto3 client that speaks to the door."""
        client = SESSION.client(  # type: ignore[call-overload]
            service, aws_access_key_id=key, aws_secret_access_key=secret, endpoint_url=f"https://{HOST}",
            config=Config(retries={"max_attempts": 0}, **config),
        )  # fmt: skip
        client.meta.events.register("before-send", self._send)
        return client

    def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        chunk_bytes: int = 7,
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of one request; its body comes in parts."""
        split = urlsplit(url)
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        if not any(name.lower() == "host" for name, _ in pairs):
            pairs.insert(0, ("host", split.netloc))
        scope: Scope = {
            "type": "http",
            "method": method,
            "path": unquote(split.path),
            "raw_path": split.path.encode(),
            "query_string": split.query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in pairs],
            "server": ("127.0.0.1", 4566),
        }
        parts = [body[start : start + chunk_bytes] for start in range(0, len(body), chunk_bytes)] or [b""]
        waiting: list[Message] = [
            {"type": "http.request", "body": part, "more_body": index < len(parts) - 1}
            for index, part in enumerate(parts)
        ]
        sent: list[Message] = []

        async def receive() -> Message:
            return waiting.pop(0) if waiting else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        asyncio.run(self._door(scope, receive, send))
        start, *rest = sent
        names = {name.decode(): value.decode() for name, value in start["headers"]}
        return start["status"], names, b"".join(part["body"] for part in rest)

    def _send(self, request: AWSPreparedRequest, **_: Json) -> AWSResponse:
        body: Json = request.body
        body = body.read() if hasattr(body, "read") else body or b""
        body = body.encode() if isinstance(body, str) else bytes(body)
        headers = [
            (name, value.decode() if isinstance(value, bytes) else str(value))
            for name, value in request.headers.items()
        ]
        chunk_bytes = max(1, len(body) // 3)
        status, answered, content = self.ask(request.method, request.url, headers, body, chunk_bytes)
        return AWSResponse(request.url, status, HTTPHeaders.from_dict(answered), Raw(content))

    async def _emulator(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
        self.passed.append((scope["method"], scope["raw_path"].decode() + query, body))
        self.scopes.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    @staticmethod
    def _secret_of(access_key_id: str, session_token: str) -> str:
        if access_key_id != KEY or session_token:
            raise Refused("InvalidClientTokenId", "The security token included in the request is invalid.")
        return SECRET


class Raw:
    """The body of a response, as botocore reads it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Json) -> Iterable[bytes]:
        yield self._content
