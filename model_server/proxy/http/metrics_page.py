"""The metrics port: the proxy's own page, and TorchServe's beside it."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp
from aiohttp import web

from proxy.metrics import Metrics

TEXT = "text/plain; version=0.0.4; charset=utf-8"


def metrics_application(
    metrics: Metrics, session: aiohttp.ClientSession, torchserve: Callable[[], str]
) -> web.Application:
    """GET /metrics and GET /metrics/torchserve."""

    async def own(_: web.Request) -> web.Response:
        return web.Response(body=metrics.page(), headers={"Content-Type": TEXT})

    async def theirs(_: web.Request) -> web.Response:
        try:
            async with session.get(f"{torchserve()}/metrics", timeout=aiohttp.ClientTimeout(total=5)) as response:
                return web.Response(status=response.status, body=await response.read(), headers={"Content-Type": TEXT})
        except (aiohttp.ClientError, OSError):
            return web.Response(status=503, text="TorchServe does not answer.\n")

    app = web.Application()
    app.router.add_get("/metrics", own)
    app.router.add_get("/metrics/torchserve", theirs)
    return app
