"""A proxy in this process, in front of a TorchServe that is a few lines of aiohttp."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from proxy.groups.dispatch import Dispatcher
from proxy.groups.waiting import Limits
from proxy.http.connections import Limits as ConnectionLimits
from proxy.http.connections import listen
from proxy.http.drain import Drain
from proxy.http.held_bytes import Memory
from proxy.http.origins import Origins
from proxy.http.server import Server
from proxy.http.tokens import Tokens
from proxy.metrics import Metrics
from proxy.torchserve.management import Worker
from proxy.torchserve.probe_picture import probe_picture
from proxy.torchserve.readiness import Readiness, ServedModel
from proxy.torchserve.upstream import Upstream, open_session
from serving.bundle import is_bundle, read_bundle

TestServer.__test__ = False
MODEL = {"name": "balls", "version": "1.0", "archive_sha256": "0" * 64, "engine": "torch-fp32"}
READY = (Worker("9000", 1, True),)

Behaviour = Callable[[list[bytes], web.Request], Awaitable[web.Response]]


def answer(status: int, document: object) -> web.Response:
    return web.Response(status=status, body=json.dumps(document).encode(), content_type="application/json")


def entry(image: bytes) -> dict[str, Any]:
    """The response of the fake model: an image's label is its first word; `bad ...` is no image."""
    if image.startswith(b"bad"):
        return {"name": "?", "status": 415, "code": "unsupported_format", "error": "This is no image."}
    label = image[:20].split()[0].decode(errors="replace") if image[:20].split() else "nothing"
    return {"name": "?", "status": 200, "predictions": [{"label": label, "probability": 0.9}], "uncertain": None}


async def classify(images: list[bytes], _: web.Request) -> web.Response:
    timings = {"images": len(images), "decode_ms": 1.0, "forward_ms": 4.0}
    return answer(200, {"model": MODEL, "timings": timings, "answers": [entry(image) for image in images]})


@dataclass
class FakeTorchServe:
    """What TorchServe and its handler are to the proxy; `groups` are the images of each request, as they came."""

    behave: Behaviour = classify
    groups: list[list[bytes]] = field(default_factory=list)
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path and X-Top-K of each request
    workers: tuple[Worker, ...] | None = READY
    death: str | None = None
    broken: str = ""  # the model that has no worker, and for which `death` is the reason, if not all have it

    async def predictions(self, request: web.Request) -> web.Response:
        body = await request.read()
        images = [bytes(member.data) for member in read_bundle(body)] if is_bundle(body) else [body]
        if images == [bytes(probe_picture())] and self.behave is not classify:
            return await classify(images, request)
        self.groups.append(images)
        self.requests.append((request.path_qs, request.headers.get("X-Top-K")))
        return await self.behave(images, request)

    def application(self) -> web.Application:
        app = web.Application(client_max_size=2**30)
        app.router.add_post("/{verb}/{model}", self.predictions)
        app.router.add_post("/{verb}/{model}/{version}", self.predictions)
        return app


@dataclass
class Proxied:
    """A running proxy, and the requests of a test; `served` is its first model."""

    url: str
    client: aiohttp.ClientSession
    drain: Drain
    metrics: Metrics
    readiness: Readiness
    served: ServedModel
    memory: Memory

    async def post(
        self, body: object, path: str = "/predictions/balls", **headers: str
    ) -> tuple[int, Any, aiohttp.ClientResponse]:
        """Status, JSON body and response of one request."""
        async with self.client.post(self.url + path, data=body, headers=headers) as response:
            content = await response.read()
            is_json = response.content_type == "application/json"
            return response.status, json.loads(content) if is_json else content, response

    async def labels(self, *bodies: bytes) -> list[str]:
        """The best label of each image, all sent at once."""
        answers = await asyncio.gather(*(self.post(body) for body in bodies))
        return [document["predictions"][0]["label"] for _, document, _ in answers]


@asynccontextmanager
async def proxied(
    fake: FakeTorchServe | None = None,
    *,
    limits: Limits | None = None,
    memory_bytes: int = 2**30,
    token_file: Path | None = None,
    request_s: float = 60.0,
    body_s: float = 60.0,
    look: bool = True,
    models: Sequence[str] = ("balls",),
    connections: ConnectionLimits | None = None,
    origins: Sequence[str] = (),
) -> AsyncIterator[Proxied]:
    """A proxy with one model, `balls`, or others; ready, unless it may not look."""
    torchserve = fake or FakeTorchServe()
    upstream_server = TestServer(torchserve.application())
    await upstream_server.start_server()
    metrics, drain, memory = Metrics(), Drain(), Memory(memory_bytes)

    async def workers(model: str) -> tuple[Worker, ...] | None:
        return () if model == torchserve.broken else torchserve.workers

    async def death(model: str) -> str | None:
        return torchserve.death if model == torchserve.broken or not torchserve.broken else None

    async with open_session() as session, aiohttp.ClientSession() as client:
        readiness: Readiness

        def one(name: str) -> ServedModel:
            upstream = Upstream(session, lambda: str(upstream_server.make_url("")).rstrip("/"), name)
            dispatcher = Dispatcher(upstream.send, limits or Limits(), metrics, lambda: readiness.suspect())  # noqa: PLW0108
            return ServedModel(name, upstream, dispatcher)

        served = {name: one(name) for name in models}
        readiness = Readiness([*served.values()], workers, death, metrics)
        tokens = Tokens(token_file) if token_file else None
        server = Server(
            served, lambda: readiness.state,
            drain=drain, memory=memory, metrics=metrics, tokens=tokens, request_s=request_s,
            body_s=body_s, origins=Origins(origins) if origins else None,
        )  # fmt: skip
        runner, port = await listen(server.application(), "127.0.0.1", 0, connections)
        if look:
            await readiness.look()
        try:
            yield Proxied(f"http://127.0.0.1:{port}", client, drain, metrics, readiness, served[models[0]], memory)
        finally:
            for each in served.values():
                await each.dispatcher.close()
            await client.close()
            await runner.cleanup()
            await upstream_server.close()


def run(
    scenario: Coroutine[Any, Any, None], loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
) -> None:
    """A scenario, in its own event loop, within half a minute."""

    async def bounded() -> None:
        async with asyncio.timeout(30):
            await scenario

    asyncio.run(bounded(), loop_factory=loop_factory)
