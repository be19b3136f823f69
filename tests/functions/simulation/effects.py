"""What the services and the world send each other: every call that changes or reads something is an effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from botocore.exceptions import ClientError, ReadTimeoutError

_T = TypeVar("_T")


class Effects(Protocol):
    """The world, as a service sees it."""

    @property
    def now_s(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...

    def effect(
        self,
        name: str,
        apply: Callable[[], _T],
        *,
        refused: Callable[[], Exception] | None = None,
        lost: Callable[[], Exception] | None = None,
    ) -> _T:
        """Let `apply` take effect, or not, or let the caller get an error all the same, as the plan has it.

        `refused` and `lost` are the errors that the caller sees; AWS's, unless they are given.
        """


class Undisturbed:
    """A world in which every effect takes place at once: of what a person does."""

    now_s = 0.0

    def sleep(self, seconds: float) -> None: ...

    def effect(self, _name: str, apply: Callable[[], _T], **_errors: object) -> _T:
        """Apply it."""
        return apply()


class ConditionalCheckFailedException(ClientError):
    """DynamoDB's own, as a client of boto3 carries it."""


def aws_error(operation: str, code: str, kind: type[ClientError] = ClientError) -> ClientError:
    return kind({"Error": {"Code": code, "Message": "as planned"}}, operation)


def refusal(operation: str) -> Exception:
    """The response of a throttled service."""
    return aws_error(operation, "ThrottlingException")


def no_answer(operation: str) -> Exception:
    """The request went out, and no response came."""
    return ReadTimeoutError(endpoint_url=f"https://{operation}")
