"""Pages of other origins, which browsers keep away unless the server names them: CORS, https://fetch.spec.whatwg.org/#http-cors-protocol"""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import hdrs, web

ANY = "*"
READABLE = "Retry-After, WWW-Authenticate, X-Engine, X-Label, X-Probability"  # by the page's script
SENDABLE = "Authorization, Content-Encoding, Content-Type, X-Top-K"
REMEMBERED_S = 600  # the answer to a preflight, by the browser


class Origins:
    """The origins whose pages may send requests."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = frozenset(allowed)

    def admit(self, app: web.Application) -> None:
        """Let the application's responses, those of refusals too, be read by the pages of these origins."""
        app.on_response_prepare.append(self._sign)

    def preflight(self, http: web.Request, methods: Sequence[str]) -> web.Response | None:
        """The answer to a browser's question before it sends a request; it carries no token. None if this is none."""
        wanted = http.headers.get(hdrs.ACCESS_CONTROL_REQUEST_METHOD)
        if http.method != hdrs.METH_OPTIONS or wanted is None or self._granted(http) is None:
            return None
        headers = {
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: ", ".join(methods),
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: SENDABLE,
            hdrs.ACCESS_CONTROL_MAX_AGE: str(REMEMBERED_S),
        }
        return web.Response(status=204, headers=headers)

    async def _sign(self, http: web.Request, response: web.StreamResponse) -> None:
        if ANY not in self._allowed:
            response.headers[hdrs.VARY] = hdrs.ORIGIN
        if origin := self._granted(http):
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = READABLE

    def _granted(self, http: web.Request) -> str | None:
        origin = http.headers.get(hdrs.ORIGIN)
        if origin is None:
            return None
        return ANY if ANY in self._allowed else origin if origin in self._allowed else None
