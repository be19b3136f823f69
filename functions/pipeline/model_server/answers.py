"""What the model server's responses mean: an answer, the image's fault, or the server's state. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import BaseModel, ValidationError

from pipeline.contracts import ImageRef, ModelFacts, ServerAnswer, ServerAnswers, ServerEntry, ServerRejection
from pipeline.errors import ImageRejected, ModelUnavailable

Outcome = ServerAnswer | ImageRejected | ModelUnavailable

# A tar that is answered with any other 4xx was not taken as many images, or was too large: nothing is said about an image.
NOT_ABOUT_THE_TAR = (401, 403, 404, 429)
_ASK_AT_THE_SERVER = {
    400: "does it expect another kind of request, or a token?",
    401: "does it expect a token?",
    403: "does it expect a token, or refuse this network?",
    404: "is the model registered there under that name?",
}


class Response(NamedTuple):
    """One HTTP response, whole; `retry_after_s` where the server says when to come back."""

    url: str
    status: int
    body: bytes
    retry_after_s: int | None = None

    @property
    def refuses_the_tar(self) -> bool:
        """To a request of many images, this says: not together, or not so many bytes. About each image, nothing."""
        return 400 <= self.status < 500 and self.status not in NOT_ABOUT_THE_TAR


def answer_in(response: Response, image: ImageRef) -> ServerAnswer:
    """The answer to a request of one image; raises ImageRejected or ModelUnavailable when it is none."""
    if response.status == 200:
        answer = _read(ServerAnswer, response)
        if answer is None:
            raise _no_answer(response)
        return answer
    fault = _fault(response.status, _read(ServerRejection, response), image)
    raise fault or _unavailable(response)


def answers_in(response: Response, names: Sequence[str], images: Sequence[ImageRef]) -> list[Outcome]:
    """What became of each image of one request; `names` are theirs in it.

    ModelUnavailable is raised for all of them where the answer breaks the contract: were one entry too many, too few or
    misnamed, any of the others might be another image's.
    """
    if response.status != 200:
        raise _unavailable(response)
    answers = _read(ServerAnswers, response)
    if answers is None:
        raise _no_answer(response)
    entries = {entry.name: entry for entry in answers.answers}
    if entries.keys() != set(names) or len(answers.answers) != len(names):
        raise _no_answer(response)
    return [
        _outcome(response.url, answers.model, entries[name], image) for name, image in zip(names, images, strict=True)
    ]


def _outcome(url: str, model: ModelFacts, entry: ServerEntry, image: ImageRef) -> Outcome:
    if entry.status == 200:
        return ServerAnswer(model=model, predictions=entry.predictions, uncertain=entry.uncertain)
    told = {"code": entry.code, "error": entry.error, "model": model}
    said = Response(url, entry.status, (entry.error or "").encode())
    return _fault(entry.status, _valid(ServerRejection, told), image) or _unavailable(said)


def _fault(status: int, rejection: ServerRejection | None, image: ImageRef) -> ImageRejected | None:
    """The rejection where the status says that it is the image's fault; None for a fault that nobody here knows."""
    if not 400 <= status < 500:
        return None
    if rejection is not None:
        return ImageRejected(rejection.code, rejection.error, rejection.model)
    if status == 413:
        reason = f"The model server refuses a file of {image.size_bytes:,} bytes as too large: upload a smaller copy."
        return ImageRejected("too_large", reason)
    return None


def _unavailable(response: Response) -> ModelUnavailable:
    question = _ASK_AT_THE_SERVER.get(response.status, "is it up, and is it not overloaded?")
    reason = f"{response.url} answered {response.status}: {question} {_quoted(response)}"
    return ModelUnavailable(reason, response.retry_after_s)


def _no_answer(response: Response) -> ModelUnavailable:
    return ModelUnavailable(f"{response.url} answered 200 with a body that is no answer: {_quoted(response)}")


def _read[Body: BaseModel](body_type: type[Body], response: Response) -> Body | None:
    try:
        return body_type.model_validate_json(response.body)
    except ValidationError:
        return None


def _valid[Body: BaseModel](body_type: type[Body], facts: Mapping[str, object]) -> Body | None:
    try:
        return body_type.model_validate(facts)
    except ValidationError:
        return None


def _quoted(response: Response) -> str:
    return ascii(response.body[:200].decode(errors="replace"))
