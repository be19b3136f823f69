"""Presigned URLs: of SigV4, and of S3's older SigV2, which AWS CLI 1 and boto3 make in us-east-1 by default.

A URL is given to others, who may add to it what its signature does not cover; the emulator even takes the service from
a body or a host. So of such a request it sees what was signed, as a request of root to S3, and nothing else.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from botocore.auth import HmacV1Auth
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from podium.local.front.refusals import Refused
from podium.local.front.signatures import ALGORITHM, AUTHENTICATION_FIELDS, Claim, Request

REGION = "us-east-1"  # the local stack's, and one that has the older signature
_STANDARD_HEADERS = ("content-md5", "content-type")  # which the older signature covers
_PASSING = frozenset({  # not signed, and of no effect on what the request is about
    "content-length", "transfer-encoding", "expect", "range", "if-match", "if-none-match", "if-modified-since",
    "if-unmodified-since", "cache-control", "content-disposition", "content-encoding", "content-language", "content-type",
})  # fmt: skip


class OldLink(NamedTuple):
    """The fields of SigV2's query."""

    key: str
    expires: str
    signature: str


def read_old_link(request: Request) -> OldLink | None:
    """The fields of such a URL; None if the request is signed in another way, or not at all."""
    query = parse_qs(request.query)
    if request.header("authorization") or "x-amz-algorithm" in request.query.lower() or "AWSAccessKeyId" not in query:
        return None
    return OldLink(*(query.get(name, [""])[0] for name in ("AWSAccessKeyId", "Expires", "Signature")))


def check_old_link(link: OldLink, request: Request, secret: str, now: datetime) -> None:
    """Raises Refused unless this secret signed the request and its time is not up."""
    if not link.expires.isdecimal() or now.timestamp() > int(link.expires):
        raise Refused("AccessDenied", "Request has expired")
    expected = _Verifier(secret, link.expires).get_signature(
        request.method,
        urlsplit(f"https://host{request.path}?{request.query}"),
        _signed_headers(request),  # type: ignore[arg-type]  # the stubs want a Mapping, the signer get_all
        auth_path=request.path if request.path.count("/") > 1 else f"{request.path}/",
    )
    if not hmac.compare_digest(expected.encode(), link.signature.encode()):
        raise Refused(
            "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided."
        )


def covered_by_old_link(request: Request, key: str, now: datetime, host: str) -> Request:
    """What SigV2 covers of the request."""
    query = [pair for pair in request.query.split("&") if pair.partition("=")[0] in HmacV1Auth.QSAOfInterest]
    return _of_root(request, query, _signed_headers(request).items(), key, now, host)


def covered_by_claim(request: Request, claim: Claim, now: datetime) -> Request:
    """What the signature of a SigV4 URL covers of the request; parameters that are headers of S3 become headers."""
    pairs = [pair for pair in request.query.split("&") if pair.partition("=")[0] not in AUTHENTICATION_FIELDS]
    hoisted = [pair for pair in pairs if pair.lower().startswith("x-amz-")]
    headers = [(unquote(name).lower(), unquote(value)) for name, _, value in (pair.partition("=") for pair in hoisted)]
    headers += [(name, value) for name, value in request.headers if name in claim.signed_headers and name != "host"]
    query = [pair for pair in pairs if pair not in hoisted]
    return _of_root(request, query, headers, claim.access_key_id, now, request.header("host"))


def _of_root(
    request: Request, query: list[str], signed: Iterable[tuple[str, str]], key: str, now: datetime, host: str
) -> Request:
    """The emulator asks root for no signature, but takes a request without a header for an anonymous one."""
    name = f"{ALGORITHM} Credential={key}/{now:%Y%m%d}/{REGION}/s3/aws4_request, SignedHeaders=host, Signature=checked"
    known = dict(signed)
    passing = [(name, value) for name, value in request.headers if name in _PASSING and name not in known]
    headers = (("host", host), ("authorization", name), *known.items(), *passing)
    return Request(request.method, request.path, "&".join(query), headers)


class _Verifier(HmacV1Auth):
    """botocore's signer, with the time of the link in place of a date."""

    def __init__(self, secret: str, expires: str) -> None:
        super().__init__(Credentials("", secret))
        self._expires = expires

    def _get_date(self) -> str:
        return self._expires


def _signed_headers(request: Request) -> HTTPHeaders:
    """Of the request, and those that the signer moved to the query."""
    moved = [(name, values[0]) for name, values in parse_qs(request.query, keep_blank_values=True).items()]
    present = {name for name, _ in request.headers}
    headers = HTTPHeaders()
    for name, value in (*request.headers, *(it for it in moved if it[0] not in present)):
        if name in _STANDARD_HEADERS or name.startswith("x-amz-"):
            headers.add_header(name, value)
    return headers
