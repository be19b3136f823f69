"""What boto3 raises, as a sentence: which of a person's settings is missing, or who does not answer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from podium.errors import ConsoleError
from training.aws_trouble import SIGN_IN, UNKNOWN_KEYS, trouble

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

CLOCK_IS_WRONG = (
    "RequestTimeTooSkewed"  # by more than 15 minutes; most services but S3 say one of the next ones instead
)
CLOCK_MAY_BE_WRONG = frozenset({"SignatureDoesNotMatch", "RequestExpired", "AuthFailure"})
FORBIDDEN = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})


def raised_by_boto3() -> tuple[type[Exception], ...]:
    """The types of what boto3 raises; none while nothing has imported it, which takes long."""
    if "botocore.exceptions" not in sys.modules:
        return ()
    from botocore.exceptions import BotoCoreError, ClientError

    return BotoCoreError, ClientError


def sentence_of(error: Exception, who: str = "the stack") -> str:
    """The sentence about what boto3 raised."""
    from botocore.exceptions import ClientError

    if isinstance(error, ClientError):
        return refusal(error, who)
    return _of_the_local_stack(error) or trouble(error, who)


def _of_the_local_stack(error: Exception) -> str | None:
    """What is wrong with the local stack, if it is the one that did not answer; None about other servers."""
    from botocore.exceptions import ConnectionError as NoConnection
    from botocore.exceptions import HTTPClientError

    from podium.listener import check_listener
    from podium.project import local_stack

    if not isinstance(error, HTTPClientError | NoConnection):
        return None
    try:
        local = local_stack()
        if local is None or not f"{error.kwargs.get('endpoint_url')}/".startswith(f"{local.endpoint_url}/"):
            return None
        check_listener(local)
    except ConsoleError as what:
        return str(what)
    return f"the local stack broke off a request ({str(error).rstrip('.')}). Do it again; `podium status` shows whether it runs."


@contextmanager
def explained(who: str = "AWS") -> Iterator[None]:
    """Turn what boto3 raises into a ConsoleError about `who`."""
    try:
        yield
    except raised_by_boto3() as error:
        raise ConsoleError(sentence_of(error, who)) from error


def refusal(error: ClientError, who: str = "AWS") -> str:
    """The sentence about a request that was answered with an error."""
    code, said = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    if code in UNKNOWN_KEYS:
        clock = " Check this machine's clock, too." if code in CLOCK_MAY_BE_WRONG else ""
        return f"{who} does not accept your credentials ({code}). {SIGN_IN}{clock}"
    if code == CLOCK_IS_WRONG:
        return f"{who} refused {error.operation_name}, as this machine's clock is wrong. Set it. ({said.rstrip('.')}.)"
    if code in FORBIDDEN:
        return f"{who} forbids {error.operation_name}: {said}"
    return f"{who} refused {error.operation_name}: {said or code}"
