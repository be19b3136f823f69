"""The model server behind the pipeline's own client: only its connections are simulated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPResponse, PoolManager, Timeout
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError, ProtocolError, ReadTimeoutError

from pipeline.contracts import LabelProbability, ModelFacts, ServerAnswer, ServerRejection
from pipeline.model_client import ModelClient
from tests.functions.simulation.effects import Effects
from tests.functions.simulation.plan import Mood

URL = "http://models.test:8080"
INFERENCE_S = 0.25
_POOL = HTTPConnectionPool("models.test")
_NONSENSE: dict[Mood, tuple[int, bytes]] = {
    "busy": (503, b'{"code": 503, "type": "ServiceUnavailableException", "message": "no worker is up"}'),
    "garbled": (200, b'{"model": {"name": "balls"}, "predictions": []}'),
    "unregistered": (404, b'{"code": 404, "type": "ModelNotFoundException", "message": "Model not found: balls"}'),
    "forbidden": (403, b"<html>403 Forbidden</html>"),
    "confused": (400, b'{"code": 400, "type": "BadRequestException", "message": "bad request"}'),
}


def picture(content: str, number: int) -> bytes:
    """Bytes that begin like a JPEG and say what the server is to make of them."""
    return b"\xff\xd8\xff\xe0" + f"{content} {number}".encode()


def label_of(number: int) -> str:
    """What the server sees in the picture of this number: no two are alike."""
    return f"picture {number}"


@dataclass
class ModelServer:
    """Which model it serves, and what is wrong with it."""

    model: ModelFacts
    moods: list[Mood] = field(default_factory=list)  # of the outages at this moment
    cured: bool = False  # of being slow on some pictures, and broken by others
    asked: Counter[str] = field(default_factory=Counter)  # how often for each label

    @property
    def mood(self) -> Mood | None:
        return self.moods[-1] if self.moods else None

    def answer(self, body: bytes) -> tuple[int, bytes]:
        """What it says when nothing else is wrong."""
        content, _, number = body[4:].decode(errors="replace").partition(" ")
        if content == "cut":
            rejection = ServerRejection(
                code="unreadable", error="The JPEG ends early: upload it again.", model=self.model
            )
            return 400, rejection.model_dump_json().encode()
        if content == "poison" and not self.cured:
            return 500, b'{"code": 500, "type": "InternalServerException", "message": "prediction failed"}'
        seen = label_of(int(number)) if number.isdigit() else "no picture of ours"
        predictions = (LabelProbability(label=seen, probability=0.9), LabelProbability(label="other", probability=0.1))
        return 200, ServerAnswer(model=self.model, predictions=predictions).model_dump_json().encode()


class Wire(PoolManager):
    """The connections from one client to it."""

    def __init__(self, world: Effects, server: ModelServer) -> None:
        super().__init__()
        self._world, self._server = world, server

    def request(self, method: str, url: str, **sent: Any) -> BaseHTTPResponse:  # type: ignore[override]  # noqa: ANN401, ARG002
        server, body, timeout = self._server, bytes(sent["body"]), sent["timeout"]
        assert isinstance(timeout, Timeout)
        patience_s = float(str(timeout.total))
        self._world.effect("server.predict", lambda: None, refused=_refused, lost=_broken)
        if server.mood == "refuses":
            raise _refused()
        if server.mood == "hangs" or (body[4:].startswith(b"slow") and not server.cured):
            self._world.sleep(patience_s)
            raise ReadTimeoutError(_POOL, url, "Read timed out.")
        if server.mood is not None:
            status, answer = _NONSENSE[server.mood]
            return HTTPResponse(answer, status=status)
        self._world.sleep(min(INFERENCE_S, patience_s))
        if server.mood is not None:
            raise _broken()
        status, answer = server.answer(body)
        server.asked[answer.decode()] += 1
        return HTTPResponse(answer, status=status)


class SimulatedModelClient(ModelClient):
    """The pipeline's own client, on a simulated wire."""

    def __init__(self, wire: Wire, model_name: str, *, timeout_s: float, now_s: Callable[[], float]) -> None:
        super().__init__(URL, model_name, timeout_s=timeout_s, connections=1, now_s=now_s)
        self._pools = wire


def _refused() -> NewConnectionError:
    return NewConnectionError(HTTPConnection("models.test"), "connection refused")


def _broken() -> ProtocolError:
    return ProtocolError("Connection aborted.", ConnectionResetError("Connection reset by peer"))
