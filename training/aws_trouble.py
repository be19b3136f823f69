"""What boto3 raises when a request is not sent, or not answered, as a sentence; and who is not signed in."""

from __future__ import annotations

import errno
from collections.abc import Iterator

SIGN_IN = "Sign in (`aws sso login`, `aws configure`), or name a profile with AWS_PROFILE."
# Codes with which AWS answers credentials that it does not know, or no longer. Query protocols and JSON ones differ.
UNKNOWN_KEYS = frozenset({
    "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthFailure",
    "ExpiredToken", "ExpiredTokenException", "RequestExpired", "IncompleteSignature", "InvalidToken", "403",
})  # fmt: skip
NO_MORE_FILES = frozenset({errno.EMFILE, errno.ENFILE})  # a connection is a file, too


def trouble(error: Exception, who: str = "AWS") -> str:
    """The sentence about a request that was not sent, or not answered."""
    from botocore import exceptions as its

    from training.errors import machine_sentence

    if sentence := next((machine_sentence(cause) for cause in _causes(error) if cause.errno in NO_MORE_FILES), None):
        return sentence
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


def _causes(error: BaseException | None) -> Iterator[OSError]:
    """What the system refused, before botocore and urllib3 made errors of their own of it."""
    while error is not None:
        if isinstance(error, OSError):
            yield error
        error = error.__cause__ or error.__context__
