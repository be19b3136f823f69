"""Errors, named by what happens next."""

from __future__ import annotations

from pipeline.contracts import ModelFacts, RejectionCode, ServerAnswer


class ImageRejected(Exception):
    """No model can read this image: store the reason, do not retry."""

    def __init__(self, code: RejectionCode, reason: str, model: ModelFacts | None = None) -> None:
        super().__init__(reason)
        self.code: RejectionCode = code
        self.reason = reason
        self.model = model


class ModelUnavailable(Exception):
    """The model cannot answer now: leave the message on the queue, for `retry_after_s` at least if the server named it."""

    def __init__(self, reason: str, retry_after_s: int | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class ImageUnavailable(Exception):
    """S3 refuses the image until an operator changes something: the message comes again, at last as a dead letter with this reason."""


class NotTogether(Exception):
    """The model does not take these images in one request: ask for each of them alone, at once."""


Answer = ServerAnswer | ImageRejected | ModelUnavailable  # about one image


class MessageUnreadable(Exception):
    """The message names no image that we understand: it goes to the dead-letter queue, once, with this reason."""


class SettingsInvalid(Exception):
    """The deployment lacks a setting or has a wrong one: no message is touched until it is put right."""


def describe(problem: BaseException) -> str:
    """The problem in one line; an error of ours is a sentence already."""
    own = isinstance(problem, (ModelUnavailable, ImageUnavailable, MessageUnreadable, ImageRejected, SettingsInvalid))
    return str(problem) if own else f"{type(problem).__name__}: {problem}"
