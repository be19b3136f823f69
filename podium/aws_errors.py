"""What boto3 raises, as a sentence: which of a person's settings is missing, or who does not answer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from podium.errors import ConsoleError

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

SIGN_IN = "Sign in (`aws sso login`, `aws configure`), or name a profile with AWS_PROFILE."
# Codes with which AWS answers credentials that it does not know, or no longer. Query protocols and JSON ones differ.
UNKNOWN_KEYS = frozenset({
    "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthFailure",
    "ExpiredToken", "ExpiredTokenException", "RequestExpired", "IncompleteSignature", "InvalidToken", "403",
})  # fmt: skip
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

    return refusal(error, who) if isinstance(error, ClientError) else trouble(error, who)


@contextmanager
def explained(who: str = "AWS") -> Iterator[None]:
    """Turn what boto3 raises into a ConsoleError about `who` was asked."""
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


def trouble(error: Exception, who: str = "AWS") -> str:
    """The sentence about a request that was not sent, or not answered."""
    from botocore import exceptions as its

    said = str(error).rstrip(".")
    lower = said[:1].lower() + said[1:]
    sentences = {
        (its.NoRegionError,): "no Region is set. Set AWS_REGION, as AWS_REGION=eu-west-1, or `region` in your AWS profile.",
        (its.InvalidRegionError,): f"{said}. Set AWS_REGION to a Region's name, such as eu-west-1.",
        (its.ProfileNotFound,): f"{said}. Unset AWS_PROFILE, or set it to a profile of `aws configure list-profiles`.",
        (its.SSOError, its.TokenRetrievalError): f"{said}. {SIGN_IN}",
        (its.NoCredentialsError, its.PartialCredentialsError, its.CredentialRetrievalError):
            f"no AWS credentials: {lower}. {SIGN_IN}",
        (its.SSLError,):
            f"{who} showed a certificate that is not trusted here ({said}). Behind a proxy with its own, set AWS_CA_BUNDLE.",
        (its.HTTPClientError, its.ConnectionError):
            f"{who} cannot be reached ({lower}). Check your network, and HTTPS_PROXY if you need one.",
    }  # fmt: skip
    return next((sentence for kinds, sentence in sentences.items() if isinstance(error, kinds)), f"{said}.")
