"""The error of every reader of an archive, and values in its sentences."""

from __future__ import annotations

LONGEST = 80  # characters of a value in a sentence
AGAIN = "Package the model again."
COPY = "Copy the archive again."


class ModelRefused(Exception):
    """This archive cannot be served: `problem` says what is wrong with it, and `action` what to do; together a message."""

    def __init__(self, problem: str, action: str = "") -> None:
        super().__init__(f"{problem} {action}".rstrip())
        self.problem = problem
        self.action = action


def short(value: object) -> str:
    """A value as a sentence shows it: its repr, in which nothing moves a terminal's cursor, cut after 80 characters."""
    text = ascii(value[:LONGEST]) if isinstance(value, str) and len(value) > LONGEST else ascii(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
