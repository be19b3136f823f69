"""The model server behind the pipeline's own client: only its connections are simulated."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPResponse, PoolManager, Timeout
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError, ProtocolError, ReadTimeoutError

from pipeline.contracts import (
    LabelProbability,
    ModelFacts,
    RejectionCode,
    ServerAnswer,
    ServerAnswers,
    ServerEntry,
    ServerRejection,
)
from pipeline.errors import Answer, ImageRejected, ModelUnavailable
from pipeline.model_server.client import IMAGES_A_TAR, ModelClient
from tests.functions.simulation.effects import Effects
from tests.functions.simulation.plan import Many, Mood

URL = "http://models.test:8080"
INFERENCE_S = 0.25
_POOL = HTTPConnectionPool("models.test")
BUSY_S = 20  # `Retry-After` of a busy server
_NONSENSE: dict[Mood, tuple[int, bytes]] = {
    "busy": (503, b'{"code": 503, "type": "ServiceUnavailableException", "message": "no worker is up"}'),
    "garbled": (200, b'{"model": {"name": "balls"}, "predictions": []}'),
    "unregistered": (404, b'{"code": 404, "type": "ModelNotFoundException", "message": "Model not found: balls"}'),
    "forbidden": (403, b"<html>403 Forbidden</html>"),
    "confused": (400, b'{"code": 400, "type": "BadRequestException", "message": "bad request"}'),
}
_REFUSALS: dict[Many, tuple[int, bytes]] = {
    "refused": (415, b'{"code": "unsupported_format", "error": "The file is no image that this server reads."}'),
    "too large": (413, b'{"code": 413, "type": "TooLarge", "message": "Request is too large"}'),
}


def picture(content: str, number: int) -> bytes:
    """Bytes that begin like a JPEG and name what the server is to make of them."""
    return b"\xff\xd8\xff\xe0" + f"{content} {number}".encode()


def _content_and_number(image: bytes) -> tuple[str, str]:
    """What the server is to make of a picture, and its number."""
    content, _, number = image[4:].decode(errors="replace").partition(" ")
    return content, number


def label_of(number: int) -> str:
    """What the server sees in the picture of this number: no two are alike."""
    return f"picture {number}"


@dataclass
class ModelServer:
    """Which model it serves, and what is wrong with it."""

    model: ModelFacts
    many: Many = "taken"
    sees: str = "picture"  # what it calls what it sees, before the number
    moods: list[Mood] = field(default_factory=list)  # of the outages at this moment
    cured: bool = False  # of being slow on some pictures, and broken by others
    in_bad_company: set[int] = field(default_factory=set)  # pictures that a request named beside a slow one, or poison

    @property
    def mood(self) -> Mood | None:
        return self.moods[-1] if self.moods else None

    def hangs_on(self, images: list[bytes]) -> bool:
        """Whether it will not answer to these in time."""
        contents = [_content_and_number(image) for image in images]
        if len(contents) > 1 and not self.cured and {content for content, _ in contents} & {"slow", "poison"}:
            self.in_bad_company |= {int(number) for _, number in contents}
        return not self.cured and any(content == "slow" for content, _ in contents)

    def answers(self, images: list[bytes]) -> tuple[int, bytes]:
        """Its response to a tar: an entry for each image, unless one of them is its death."""
        each = [self.answer(image) for image in images]
        if dead := [answer for answer in each if answer[0] >= 500]:
            return dead[0]
        entries = [_entry(str(nth), status, answer) for nth, (status, answer) in enumerate(each)]
        return 200, ServerAnswers(model=self.model, answers=tuple(entries)).model_dump_json().encode()

    def answer(self, body: bytes) -> tuple[int, bytes]:
        """Its response when nothing else is wrong."""
        content, number = _content_and_number(body)
        if content == "cut":
            rejection = ServerRejection(
                code="unreadable", error="The JPEG ends early: upload it again.", model=self.model
            )
            return 400, rejection.model_dump_json().encode()
        if content == "poison" and not self.cured:
            return 507, b'{"code": 507, "type": "InternalServerException", "message": "Worker died."}'
        seen = f"{self.sees} {number}" if number.isdigit() else "no picture of ours"
        predictions = (LabelProbability(label=seen, probability=0.9), LabelProbability(label="other", probability=0.1))
        return 200, ServerAnswer(model=self.model, predictions=predictions).model_dump_json().encode()


def _entry(name: str, status: int, answer: bytes) -> ServerEntry:
    if status == 200:
        seen = ServerAnswer.model_validate_json(answer)
        return ServerEntry(name=name, status=status, predictions=seen.predictions, uncertain=seen.uncertain)
    rejection = ServerRejection.model_validate_json(answer)
    return ServerEntry(name=name, status=status, code=rejection.code, error=rejection.error)


def _images_in(body: bytes) -> list[bytes]:
    """The files of a tar; the body itself, if it is none."""
    if body[257:262] != b"ustar":
        return [body]
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:") as tar:
        return [file.read() for entry in tar if (file := tar.extractfile(entry))]


class Wire(PoolManager):
    """The connections from one client to it."""

    def __init__(self, world: Effects, server: ModelServer) -> None:
        super().__init__()
        self._world, self._server = world, server

    def request(self, method: str, url: str, **sent: Any) -> BaseHTTPResponse:  # type: ignore[override]  # noqa: ANN401, ARG002
        server, images, timeout = self._server, _images_in(b"".join(sent["body"])), sent["timeout"]
        assert isinstance(timeout, Timeout)
        patience_s = float(str(timeout.total))
        self._world.effect("server.predict", lambda: None, refused=_refused, lost=_broken)
        if server.mood == "refuses":
            raise _refused()
        if server.mood is None and len(images) > 1 and server.many != "taken":
            status, answer = _REFUSALS[server.many]
            return HTTPResponse(answer, status=status)
        if server.mood == "hangs" or server.hangs_on(images):
            self._world.sleep(patience_s)
            raise ReadTimeoutError(_POOL, url, "Read timed out.")
        if server.mood is not None:
            status, answer = _NONSENSE[server.mood]
            return HTTPResponse(answer, status=status, headers={"Retry-After": str(BUSY_S)} if status == 503 else {})
        self._world.sleep(min(INFERENCE_S, patience_s))
        if server.mood is not None:
            raise _broken()
        status, answer = server.answers(images) if len(images) > 1 else server.answer(images[0])
        return HTTPResponse(answer, status=status)


class SimulatedModelClient(ModelClient):
    """The pipeline's own client, on a simulated wire."""

    def __init__(self, wire: Wire, model_name: str, *, timeout_s: float, now_s: Callable[[], float]) -> None:
        super().__init__(URL, model_name, timeout_s=timeout_s, now_s=now_s)
        self._pools = wire


class SimulatedModelHere:
    """The model inside the function, as `pipeline.model_here` answers: no picture costs another one its answer."""

    def __init__(self, world: Effects, server: ModelServer) -> None:
        self._world, self._server = world, server

    def images_at_once(self) -> int:
        return IMAGES_A_TAR

    def ask(self, images: Sequence[bytes], *, budget_s: float, model: ModelFacts | None = None) -> list[Answer]:
        server = self._server
        self._world.effect("server.predict", lambda: None, refused=_does_not_load, lost=_does_not_load)
        if server.mood is not None or (model is not None and model.ref != server.model.ref):
            raise _does_not_load()
        self._world.sleep(min(INFERENCE_S, budget_s))
        return [self._answer(image) for image in images]

    def _answer(self, image: bytes) -> Answer:
        content, _ = _content_and_number(image)
        if content in {"slow", "poison"}:  # the reader was ended, or died, and was started anew
            code: RejectionCode = "too_slow" if content == "slow" else "unreadable"
            return ImageRejected(code, "It cannot be read here.", self._server.model)
        status, body = self._server.answer(image)
        if status == 200:
            return ServerAnswer.model_validate_json(body)
        rejection = ServerRejection.model_validate_json(body)
        return ImageRejected(rejection.code, rejection.error, rejection.model)


def _does_not_load() -> ModelUnavailable:
    return ModelUnavailable("the model's archive cannot be used")


def _refused() -> NewConnectionError:
    return NewConnectionError(HTTPConnection("models.test"), "connection refused")


def _broken() -> ProtocolError:
    return ProtocolError("Connection aborted.", ConnectionResetError("Connection reset by peer"))
