"""The door before the emulator's application: signed requests pass, all others are refused.

request -> claim -> secret of its key -> time -> signature -> emulator
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any

from podium.local.front.bodies import (
    Gone,
    Message,
    Receive,
    check_chunks,
    hashed,
    read_whole,
    replayed,
)
from podium.local.front.links import check_old_link, covered_by_claim, covered_by_old_link, read_old_link
from podium.local.front.refusals import Refused, Response, respond
from podium.local.front.signatures import (
    UNSIGNED_PAYLOAD,
    Claim,
    Request,
    check_signature,
    check_time,
    payload_hash,
    read_claim,
    service_of,
    signing_key,
)

HEALTH_PATH = "/_podium/health"

Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
SecretOf = Callable[[str, str], str]  # access key id, session token -> secret; raises Refused for an unknown key


class Door:
    """An ASGI application around the emulator's."""

    def __init__(
        self,
        emulator: Application,
        root_key: str,
        secret_of: SecretOf,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._emulator = emulator
        self._root_key = root_key
        self._secret_of = secret_of
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on if it is signed by a key of this stack."""
        if scope["type"] == "lifespan":
            await self._emulator(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})  # the stack uses none
        elif scope["path"] == HEALTH_PATH:
            await _answer(Response(200, {"content-type": "text/plain"}, b"ready\n"), scope["method"], send)
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = _request(scope)
        try:
            await self._emulator(*await self._admitted(scope, request, receive), send)
        except Refused as refused:
            response = respond(refused, service=service_of(request), path=request.path, headers=dict(request.headers))
            await _answer(response, request.method, send)
        except Gone:
            return

    async def _admitted(self, scope: Scope, request: Request, receive: Receive) -> tuple[Scope, Receive]:
        """The request as the emulator may see it. Raises Refused."""
        if scope["path"].startswith("/_"):  # no bucket's name: the emulator's own pages, one of which deletes all
            raise Refused("AccessDenied", f"{request.path} is closed: nobody needs the emulator's own pages.")
        if (link := read_old_link(request)) is not None:
            check_old_link(link, request, self._secret_of(link.key, ""), self._now())
            host = ":".join(map(str, scope["server"]))
            return _rewritten(scope, covered_by_old_link(request, link.key, self._now(), host)), receive
        claim = read_claim(request)
        receive = await self._checked(claim, request, receive)
        if claim.expires_s is not None and claim.access_key_id == self._root_key:
            return _rewritten(scope, covered_by_claim(request, claim, self._now())), receive
        return scope, receive

    async def _checked(self, claim: Claim, request: Request, receive: Receive) -> Receive:
        """The request's body, once its signature is proven. Raises Refused."""
        secret = self._secret_of(claim.access_key_id, claim.session_token)
        check_time(claim, self._now())
        said = payload_hash(claim, request)
        if said is None:
            body = await read_whole(receive)
            check_signature(claim, request, secret, body)
            return replayed(body, receive)
        check_signature(claim, request, secret, b"")
        if said in {UNSIGNED_PAYLOAD, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}:
            return receive
        if said.startswith("STREAMING-"):
            body = await read_whole(receive)
            check_chunks(body, claim, signing_key(claim, secret))
            return replayed(body, receive)
        return hashed(receive, said)


def _request(scope: Scope) -> Request:
    headers = tuple((name.decode("latin-1").lower(), _text(value)) for name, value in scope["headers"])
    return Request(scope["method"], _text(scope["raw_path"]), _text(scope["query_string"]), headers)


def _rewritten(scope: Scope, request: Request) -> Scope:
    headers = [(name.encode(), value.encode()) for name, value in request.headers]
    return {**scope, "query_string": request.query.encode(), "headers": headers}


def _text(value: bytes) -> str:
    """As UTF-8, in which clients sign; what is none is Latin-1."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


async def _answer(response: Response, method: str, send: Send) -> None:
    headers: Mapping[str, str] = {**response.headers, "content-length": str(len(response.body))}
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else response.body})
