"""From the model server's HTTP responses to answers about images: predictions, the image's fault, or the server's state. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import BaseModel, ValidationError

from pipeline.contracts import ModelFacts, ServerAnswer, ServerAnswers, ServerEntry, ServerRejection
from pipeline.errors import Answer, ImageRejected, ModelUnavailable

# Any other 4xx to a tar: it was not accepted as many images, or was too large; it means nothing for any one image.
NOT_ABOUT_THE_TAR = (401, 403, 404, 429)
_ASK_AT_THE_SERVER = {
    400: "does it expect another kind of request, or a token?",
    401: "does it expect a token?",
    403: "does it expect a token, or refuse this network?",
    404: "is the model registered there under that name?",
}


class HttpResponse(NamedTuple):
    """One HTTP response, whole; `retry_after_s` if the server sent Retry-After."""

    url: str
    status: int
    body: bytes
    retry_after_s: int | None = None

    @property
    def refuses_the_tar(self) -> bool:
        """Whether it refuses a request of many images as a whole: not together, or not so many bytes."""
        return 400 <= self.status < 500 and self.status not in NOT_ABOUT_THE_TAR


def answer_in(response: HttpResponse, size_bytes: int) -> ServerAnswer | ImageRejected:
    """The answer to a request of one image of so many bytes; ModelUnavailable when the response is none."""
    if response.status == 200:
        answer = _read(ServerAnswer, response)
        if answer is None:
            raise _no_answer(response)
        return answer
    rejected = _rejected(response.status, _read(ServerRejection, response), size_bytes)
    if rejected is None:
        raise _unavailable(response)
    return rejected


def answers_in(response: HttpResponse, sizes_bytes: Mapping[str, int]) -> list[Answer]:
    """The answers to a request of several images, in the order of `sizes_bytes`: each one's name in it, and its size.

    ModelUnavailable is raised for all of them if the response breaks the contract: were one entry too many, too few or
    misnamed, any of the others might be another image's.
    """
    if response.status != 200:
        raise _unavailable(response)
    answers = _read(ServerAnswers, response)
    if answers is None:
        raise _no_answer(response)
    entries = {entry.name: entry for entry in answers.answers}
    if entries.keys() != sizes_bytes.keys() or len(answers.answers) != len(sizes_bytes):
        raise _no_answer(response)
    return [_answer(response.url, answers.model, entries[name], size_bytes) for name, size_bytes in sizes_bytes.items()]


def _answer(url: str, model: ModelFacts, entry: ServerEntry, size_bytes: int) -> Answer:
    if entry.status == 200:
        return ServerAnswer(model=model, predictions=entry.predictions, uncertain=entry.uncertain)
    rejection = _valid(ServerRejection, {"code": entry.code, "error": entry.error, "model": model})
    as_if_alone = HttpResponse(url, entry.status, (entry.error or "").encode())
    return _rejected(entry.status, rejection, size_bytes) or _unavailable(as_if_alone)


def _rejected(status: int, rejection: ServerRejection | None, size_bytes: int) -> ImageRejected | None:
    """The rejection if the status blames the image; None for a reason that is not known here."""
    if not 400 <= status < 500:
        return None
    if rejection is not None:
        return ImageRejected(rejection.code, rejection.error, rejection.model)
    if status == 413:
        reason = f"The model server refuses a file of {size_bytes:,} bytes as too large: upload a smaller copy."
        return ImageRejected("too_large", reason)
    return None


def _unavailable(response: HttpResponse) -> ModelUnavailable:
    question = _ASK_AT_THE_SERVER.get(response.status, "is it up, and is it not overloaded?")
    reason = f"{response.url} answered {response.status}: {question} {_quoted(response)}"
    return ModelUnavailable(reason, response.retry_after_s)


def _no_answer(response: HttpResponse) -> ModelUnavailable:
    return ModelUnavailable(f"{response.url} answered 200 with a body that is no answer: {_quoted(response)}")


def _read[Body: BaseModel](body_type: type[Body], response: HttpResponse) -> Body | None:
    try:
        return body_type.model_validate_json(response.body)
    except ValidationError:
        return None


def _valid[Body: BaseModel](body_type: type[Body], facts: Mapping[str, object]) -> Body | None:
    try:
        return body_type.model_validate(facts)
    except ValidationError:
        return None


def _quoted(response: HttpResponse) -> str:
    return ascii(response.body[:200].decode(errors="replace"))
