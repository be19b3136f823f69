"""The model server, as far as anyone on this side knows it: one POST per image."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError
from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import HTTPError

from pipeline.contracts import ImageRef, ModelFacts, ServerAnswer, ServerRejection
from pipeline.errors import ImageRejected, ModelUnavailable

CONNECT_TIMEOUT_S = 3.0
# A load balancer drops a connection that idled for 60 s, and a Lambda that is frozen meanwhile never hears of it.
KEEP_ALIVE_S = 30

_Body = TypeVar("_Body", bound=BaseModel)
_ASK_AT_THE_SERVER = {
    400: "does it expect another kind of request, or a token?",
    401: "does it expect a token?",
    403: "does it expect a token, or refuse this network?",
    404: "is the model registered there under that name?",
}


class ModelClient:
    """One model on one server, over connections that are kept between calls; threads may share it."""

    def __init__(
        self,
        server_url: str,
        model_name: str,
        *,
        timeout_s: float,
        connections: int,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._predictions = f"{server_url}/predictions"
        self.url = f"{self._predictions}/{model_name}"
        self._timeout_s = timeout_s
        self._pools = PoolManager(maxsize=connections)
        self._now_s = now_s  # of day: a monotonic clock may stand still while a Lambda is frozen
        self._last_used_s = now_s()

    def forget_idle_connections(self) -> None:
        """Drop connections that idled too long to be trusted; called when an SQS batch begins, before its threads."""
        if self._now_s() - self._last_used_s > KEEP_ALIVE_S:
            self._pools.clear()

    def predict(
        self, data: bytes, image: ImageRef, *, budget_s: float, model: ModelFacts | None = None
    ) -> ServerAnswer:
        """The server's answer to the image `data`, within `budget_s` or the settings' time-out, the shorter.

        `model` asks for that very version; without it, the server's default version of the configured model answers.
        ImageRejected when it says that the image is at fault; ModelUnavailable when it says anything else but an answer.
        """
        url = f"{self._predictions}/{quote(model.name)}/{quote(model.version)}" if model else self.url
        response = self._post(url, data, budget_s=budget_s)
        if response.status == 200:
            answer = _read(ServerAnswer, response)
            if answer is None:
                raise ModelUnavailable(f"{url} answered 200 with a body that is no answer: {_quoted(response)}")
            return answer
        if 400 <= response.status < 500:
            self._raise_if_the_image_is_at_fault(response, image)
        question = _ASK_AT_THE_SERVER.get(response.status, "is it up, and is it not overloaded?")
        raise ModelUnavailable(f"{url} answered {response.status}: {question} {_quoted(response)}")

    def _post(self, url: str, data: bytes, *, budget_s: float) -> BaseHTTPResponse:
        allowed_s = min(self._timeout_s, budget_s)
        if allowed_s <= 0:
            raise ModelUnavailable("no time was left to ask the model server")
        timeout = Timeout(connect=min(CONNECT_TIMEOUT_S, allowed_s), read=allowed_s, total=allowed_s)
        headers = {"Content-Type": "application/octet-stream", "Accept": "application/json"}
        try:
            # SQS is the one layer that retries.
            return self._pools.request("POST", url, body=data, headers=headers, timeout=timeout, retries=False)
        except HTTPError as error:
            raise ModelUnavailable(f"{url} did not answer ({error}): is it up, and is its address right?") from error
        finally:
            self._last_used_s = self._now_s()

    def _raise_if_the_image_is_at_fault(self, response: BaseHTTPResponse, image: ImageRef) -> None:
        rejection = _read(ServerRejection, response)
        if rejection is not None:
            raise ImageRejected(rejection.code, rejection.error, rejection.model)
        if response.status == 413:
            reason = (
                f"The model server refuses a file of {image.size_bytes:,} bytes as too large: upload a smaller copy."
            )
            raise ImageRejected("too_large", reason)


def _read(body_type: type[_Body], response: BaseHTTPResponse) -> _Body | None:
    try:
        return body_type.model_validate_json(response.data)
    except ValidationError:
        return None


def _quoted(response: BaseHTTPResponse) -> str:
    return ascii(response.data[:200].decode(errors="replace"))
