"""The proxy's HTTP: who may send requests, what is taken, and every response.

request -> door (token, model, readiness, size, room) -> body -> images wait -> answers -> response
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from aiohttp import web

from proxy.groups.waiting import Key, Request
from proxy.http.bodies import IMAGE_BYTES, SentImages, check_length, read_images, too_large_sentence
from proxy.http.compressed import ACCEPTED, coding_of
from proxy.http.drain import Drain
from proxy.http.held_bytes import Hold, Memory, MemoryFull
from proxy.http.origins import Origins
from proxy.http.pace import BODY_S, Pace
from proxy.http.replies import CLOSING, Refused, cut, reply
from proxy.http.tokens import Tokens
from proxy.metrics import Metrics
from proxy.responses import HeatMap, ImageResponse, instances, many, refused, server_error, single
from proxy.torchserve.readiness import ServedModel, State
from serving.requests import BadRequest

PATHS = (
    "/{verb:predictions|explanations}/{model}",
    "/{verb:predictions|explanations}/{model}/{version}",
    "/v1/models/{model}:predict",  # KServe's and TF Serving's
    "/v1/models/{model}/versions/{version}:predict",
)
REQUEST_S = 180.0  # from the headers to the answer; a slow sender gives up its place then
UNREADY_RETRY_S = 5  # about what a worker takes to come back


class Server:
    """The HTTP side of the proxy."""

    def __init__(
        self,
        served: Mapping[str, ServedModel],
        state: Callable[[], State],
        *,
        drain: Drain,
        memory: Memory,
        metrics: Metrics,
        tokens: Tokens | None = None,
        origins: Origins | None = None,
        request_s: float = REQUEST_S,
        body_s: float = BODY_S,
    ) -> None:
        self._served = served
        self._state = state
        self._drain = drain
        self._memory = memory
        self._metrics = metrics
        self._tokens = tokens
        self._origins = origins
        self._request_s = request_s
        self._body_s = body_s

    def application(self) -> web.Application:
        """What aiohttp serves."""
        app = web.Application(client_max_size=0)  # bodies are read, and limited, in bodies.py
        for path in PATHS:
            for method in ("POST", "PUT"):  # curl -T puts
                app.router.add_route(method, path, self.images, expect_handler=self.expect)
        app.router.add_get("/ping", self.ping)
        app.router.add_get("/v1/models", self.models)
        app.router.add_get("/v1/models/{model:[^/:]+}", self.model)
        app.router.add_route("*", "/{rest:(?s:.*)}", self.nothing_here)
        if self._origins is not None:
            self._origins.admit(app)
        return app

    async def images(self, http: web.Request) -> web.Response:
        """Classes for one image or many, or a heat map for one image."""
        began_s = time.perf_counter()
        try:
            served = self._door(http)
            async with asyncio.timeout(self._request_s) as deadline:
                with self._drain.admitted(deadline), Hold(self._memory) as hold:
                    with Pace(deadline, hold, self._body_s) as pace:
                        sent = await read_images(http, hold)
                    response = await self._classified(served, sent, _key(http, sent))
        except TimeoutError:
            if pace.too_slow:
                return self._refusal(http, Refused(408, "The request's body came too slowly. Send it again.", CLOSING))
            late = "The server stops." if self._drain.draining else f"No answer within {self._request_s:g} s."
            return self._refusal(http, self._come_again(late))
        except web.RequestPayloadError as error:
            return self._refusal(http, Refused(400, f"The request's body cannot be read: {error}.", CLOSING))
        except MemoryFull:
            return self._refusal(http, self._come_again("The images that wait fill the server's memory."))
        except (Refused, BadRequest) as refusal:
            return self._refusal(http, refusal)
        self._metrics.request_answered(time.perf_counter() - began_s)
        return response

    async def ping(self, _: web.Request) -> web.Response:
        """Whether images may be sent here, for each of the models; needs no token."""
        state = self._state()
        if self._drain.draining:
            return reply(503, server_error(503, "The server stops."), CLOSING)
        if state.ready:
            return reply(200, {"status": "Healthy"})
        body = server_error(503, state.reason) | {"failed": state.failed}
        return reply(503, body, {"Retry-After": str(UNREADY_RETRY_S)})

    async def models(self, http: web.Request) -> web.Response:
        """The models' names, as KServe lists them."""
        try:
            self._check_token(http)
        except Refused as refusal:
            return self._refusal(http, refusal)
        return reply(200, {"models": list(self._served)})

    async def model(self, http: web.Request) -> web.Response:
        """Whether images may be sent to one model, as KServe says it."""
        try:
            served = self._named(http)
        except Refused as refusal:
            return self._refusal(http, refusal)
        if served.state.ready and not self._drain.draining:
            return reply(200, {"name": served.name, "ready": True})
        return reply(503, {"name": served.name, "ready": False}, {"Retry-After": str(UNREADY_RETRY_S)})

    async def nothing_here(self, http: web.Request) -> web.Response:
        """No other path is passed on to TorchServe; a path of ours says which methods it has."""
        if methods := await _methods_of(http):
            if self._origins is not None and (allowed := self._origins.preflight(http, methods)):
                return allowed
            sentence = f"{cut(http.path)} takes no {cut(http.method)}. It takes {' and '.join(methods)}."
            return reply(405, server_error(405, sentence), {"Allow": ", ".join(methods)})
        sentence = (
            f"There is no {cut(http.method)} {cut(http.path)} here. "
            "There is POST /predictions/NAME, POST /explanations/NAME, POST /v1/models/NAME:predict, "
            "GET /v1/models, GET /v1/models/NAME and GET /ping."
        )
        return reply(404, server_error(404, sentence))

    async def expect(self, http: web.Request) -> web.Response | None:
        """A sender that expects `100 Continue`, as curl does for large files, is refused before it sends anything."""
        try:
            self._door(http)
        except (Refused, BadRequest) as refusal:
            response = self._refusal(http, refusal)
            response.force_close()
            return response
        if http.headers.get("Expect", "").lower() == "100-continue":
            await http.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            http.writer.output_size = 0
        return None

    def _check_token(self, http: web.Request) -> None:
        if self._tokens is not None and not self._tokens.allow(http.headers.get("Authorization")):
            sentence = "This server wants a token it knows: Authorization: Bearer TOKEN."
            raise Refused(401, sentence, {"WWW-Authenticate": "Bearer"})

    def _named(self, http: web.Request) -> ServedModel:
        """The model that the path names. Raises Refused for one who may not ask, and if there is none."""
        self._check_token(http)
        served = self._served.get(http.match_info["model"])
        if served is None:
            name = cut(http.match_info["model"])
            sentence = f"There is no model {name!r} here. Its models: {', '.join(self._served)}."
            raise Refused(404, sentence)
        return served

    def _door(self, http: web.Request) -> ServedModel:
        """The model that the path names. Raises Refused or BadRequest before any of the body is read."""
        served = self._named(http)
        try:
            coding_of(http.headers.get("Content-Encoding"))
        except KeyError as unknown:
            sentence = (
                f"Content-Encoding {cut(str(unknown))} cannot be undone here. Send {ACCEPTED}, or the image as it is."
            )
            raise Refused(415, sentence, {"Accept-Encoding": ACCEPTED}) from unknown
        if self._drain.draining:
            raise self._come_again("The server stops.", served)
        if not served.state.takes_requests:
            raise self._come_again(f"{served.name} is not ready: {served.state.reason}", served)
        check_length(http)
        if not served.dispatcher.waiting.has_room():
            raise self._come_again("The queue is full.", served)
        if not self._memory.has_room(http.content_length or 0):
            raise self._come_again("The images that wait fill the server's memory.", served)
        return served

    async def _classified(self, served: ServedModel, sent: SentImages, key: Key) -> web.Response:
        if key.alone and sent.names is not None:
            raise BadRequest("A heat map is for one image. Send each on its own.")
        complete = asyncio.Event()
        request = Request(key, sent.images, complete.set)
        for place, problem in sent.refused.items():
            request.answer(place, refused(problem.status, problem.code, str(problem), served.facts))
        for place, image in enumerate(sent.images):
            if image.nbytes > IMAGE_BYTES:
                request.answer(place, refused(413, "too_large", too_large_sentence(), served.facts))
        if not served.dispatcher.admit(request):
            raise self._come_again("The queue is full.", served)
        for answer in request.answers:
            if answer is not None:  # refused here: the others' are counted as they come
                self._metrics.image_answered(answer)
        try:
            await complete.wait()
        finally:
            if request.missing:
                served.dispatcher.waiting.drop(request)
        return self._response(request, sent, served)

    def _response(self, request: Request, sent: SentImages, served: ServedModel) -> web.Response:
        first = request.answers[0]
        if isinstance(first, HeatMap):
            return web.Response(body=first.body, headers=first.headers)
        responses = [answer for answer in request.answers if isinstance(answer, ImageResponse)]
        if sent.as_instances:
            status, body = instances(responses, served.facts)
        else:
            status, body = single(responses[0]) if sent.names is None else many(sent.names, responses, served.facts)
        if status == 404 and "version" in served.facts:
            body = {**body, "message": f"{cut(str(body.get('message')))}. Its version here: {served.facts['version']}."}
        return reply(status, body, self._retry_after(served) if status == 503 else None)

    def _retry_after(self, served: ServedModel | None) -> dict[str, str]:
        """When to come again: after what waits now, and not before a worker that is away may be back."""
        state = served.state if served else self._state()
        at_least_s = 1 if state.ready and not self._drain.draining else UNREADY_RETRY_S
        if served is None:
            return {"Retry-After": str(at_least_s)}
        dispatcher = served.dispatcher
        return {"Retry-After": str(dispatcher.rate.seconds_for(dispatcher.waiting.images, at_least_s))}

    def _come_again(self, sentence: str, served: ServedModel | None = None) -> Refused:
        closing = CLOSING if self._drain.draining else {}
        return Refused(503, sentence, self._retry_after(served) | closing)

    def _refusal(self, http: web.Request, refusal: Refused | BadRequest) -> web.Response:
        self._metrics.refused(refusal.status if isinstance(refusal, Refused) else refusal.code)
        if isinstance(refusal, Refused):
            return reply(refusal.status, server_error(refusal.status, str(refusal)), refusal.headers)
        served = self._served.get(http.match_info["model"])
        model = {"model": served.facts} if served and served.facts else {}
        response = reply(refusal.status, {"code": refusal.code, "error": str(refusal), **model})
        if refusal.status == 413:
            response.force_close()  # the rest of the body is not wanted
        return response


def _key(http: web.Request, sent: SentImages) -> Key:
    top_k = http.headers.get("X-Top-K", sent.top_k)
    if http.query_string:
        top_k = http.query.get("top_k", top_k)
    return Key(http.match_info.get("verb", "predictions"), http.match_info.get("version"), top_k)


async def _methods_of(http: web.Request) -> list[str]:
    """The methods of a path of ours; none for any other path."""
    methods: set[str] = set()
    for resource in http.app.router.resources():
        if resource is not http.match_info.route.resource:  # which takes all
            methods |= (await resource.resolve(http))[1]
    return sorted(methods)
