"""The HTTP client of the model server: one POST for an image, or for many of them as a tar."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Lock
from urllib.parse import quote

from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import HTTPError

from pipeline.aws import MOST_CONNECTIONS
from pipeline.contracts import ModelFacts
from pipeline.errors import Answer, ModelUnavailable, NotTogether
from pipeline.model_server.answers import HttpResponse, answer_in, answers_in
from pipeline.model_server.tar import names_of, tar_of
from pipeline.model_server.token import BearerToken

CONNECT_TIMEOUT_S = 3.0
# A load balancer drops a connection that idled for 60 s, and a Lambda that is frozen meanwhile never hears of it.
KEEP_ALIVE_S = 30
SEND_BYTES = 2**16
IMAGES_A_TAR = 20  # the queue mapping's BatchSize; the server takes up to 64
NO_TARS_FOR_S = 300  # then it is tried again: servers are replaced
UNAUTHORIZED = 401
TOO_LARGE = 413


class ModelClient:
    """One model on one server, over connections that are kept between calls; threads may share it."""

    def __init__(
        self,
        server_url: str,
        model_name: str,
        *,
        timeout_s: float,
        token: BearerToken | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._predictions = f"{server_url}/predictions"
        self.url = f"{self._predictions}/{model_name}"
        self._timeout_s = timeout_s
        self._token = token
        self._pools = PoolManager(maxsize=MOST_CONNECTIONS)
        self._now_s = now_s  # of day: a monotonic clock may stand still while a Lambda is frozen
        self._last_used_s = now_s()
        self._forgetting = Lock()
        self._no_tars_until_s = now_s()

    def images_at_once(self) -> int:
        """How many images one request may carry: a tar of them, but a single one for some minutes after a tar was refused."""
        return IMAGES_A_TAR if self._now_s() >= self._no_tars_until_s else 1

    def ask(self, images: Sequence[bytes], *, budget_s: float, model: ModelFacts | None = None) -> list[Answer]:
        """The server's answers in the order of the images, within `budget_s` or the settings' time-out, the shorter.

        `model` asks for that very version; without it, the server's default version of the configured model answers.
        ModelUnavailable is raised when the response holds an answer for none of the images, and is an answer when that
        is so of one. NotTogether: the server refuses a tar of these images.
        """
        if len(images) == 1:
            return [answer_in(self._post(self._url(model), images, budget_s=budget_s), len(images[0]))]
        response = self._post(self._url(model), tar_of(images), budget_s=budget_s)
        if response.refuses_the_tar:
            if response.status != TOO_LARGE:  # that is about these images, not about tars
                self._no_tars_until_s = self._now_s() + NO_TARS_FOR_S
            raise NotTogether
        return answers_in(response, {name: len(data) for name, data in zip(names_of(len(images)), images, strict=True)})

    def _url(self, model: ModelFacts | None) -> str:
        return f"{self._predictions}/{quote(model.name)}/{quote(model.version)}" if model else self.url

    def _post(self, url: str, pieces: Sequence[bytes], *, budget_s: float) -> HttpResponse:
        until_s = self._now_s() + min(self._timeout_s, budget_s)
        token = self._token.current() if self._token else None
        self._forget_idle_connections()
        received = self._send(url, pieces, token, until_s)
        if received.status == UNAUTHORIZED and self._token and token:
            newer = self._token.instead_of(token)  # it was replaced while this process kept the old one
            received = self._send(url, pieces, newer, until_s) if newer else received
        return HttpResponse(url, received.status, received.data, _retry_after_s(received))

    def _forget_idle_connections(self) -> None:
        """Drop connections that idled too long to be trusted; of many threads the first does it."""
        with self._forgetting:
            if self._now_s() - self._last_used_s > KEEP_ALIVE_S:
                self._pools.clear()
                self._last_used_s = self._now_s()

    def _send(self, url: str, pieces: Sequence[bytes], token: str | None, until_s: float) -> BaseHTTPResponse:
        allowed_s = until_s - self._now_s()
        if allowed_s <= 0:
            raise ModelUnavailable("no time was left to ask the model server")
        timeout = Timeout(connect=min(CONNECT_TIMEOUT_S, allowed_s), read=allowed_s, total=allowed_s)
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(sum(map(len, pieces))),  # not chunked: not every server reads that
            "Accept": "application/json",
        }
        if token:
            headers["Authorization"] = f"Bearer {token}"
        # The connect time-out counts for each send on a fresh connection: a large image goes in small ones.
        small = (piece[at : at + SEND_BYTES] for piece in pieces for at in range(0, len(piece), SEND_BYTES))
        try:
            # SQS is the one layer that retries, and a redirect would carry the token elsewhere.
            return self._pools.request("POST", url, body=small, headers=headers, timeout=timeout, retries=False)
        except HTTPError as error:
            raise ModelUnavailable(f"{url} did not answer ({error}): is it up, and is its address right?") from error
        finally:
            self._last_used_s = self._now_s()


def _retry_after_s(received: BaseHTTPResponse) -> int | None:
    """Retry-After in seconds; its other form, a date, is for machines whose clocks agree."""
    value = received.headers.get("Retry-After", "").strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None
