"""SigV4 from the server's side: who claims to have signed a request, when, and whether that key signed it.

The signature is computed by botocore's signer, from the request as it arrived.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import parse_qs, quote, unquote, unquote_to_bytes, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from podium.local.front.refusals import Refused

ALGORITHM = "AWS4-HMAC-SHA256"
SKEW = timedelta(minutes=15)
LONGEST_EXPIRY_S = 7 * 24 * 3600
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
_QUERY_FIELDS = ("X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Expires")
AUTHENTICATION_FIELDS = frozenset({"X-Amz-Algorithm", "X-Amz-Security-Token", *_QUERY_FIELDS})  # of a presigned URL
_SERVICE = re.compile(r"Credential=[^/&]*/[^/&]*/[^/&]*/([^/&]*)/aws4_request")
_OTHER_SCHEMES = ("AWSAccessKeyId", "Signature")  # of SigV2's query


class Request(NamedTuple):
    """A request as it arrived: path and query still percent-encoded, headers with lower-case names in their order."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str:
        """The header's value; empty if it is not there."""
        return next((value for key, value in self.headers if key == name), "")


@dataclass(frozen=True)
class Claim:
    """What a request says about its own signature; nothing of it is proven yet."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str
    session_token: str
    expires_s: int | None  # of a presigned URL; None for a signed header

    @property
    def signed_at(self) -> datetime:
        """Raises Refused when the timestamp is none."""
        try:
            return datetime.strptime(self.timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError:
            raise Refused("AccessDenied", f"X-Amz-Date {self.timestamp!r} must read yyyyMMddTHHmmssZ.") from None


def read_claim(request: Request) -> Claim:
    """The claim of the Authorization header, or of a presigned URL. Raises Refused when there is none, or two."""
    authorization = request.header("authorization")
    query = parse_qs(request.query, keep_blank_values=True)
    presigned = any(name.lower() == "x-amz-algorithm" for name in query)
    if presigned + bool(authorization) + any(name in query for name in _OTHER_SCHEMES) > 1:
        raise Refused("InvalidArgument", "Only one auth mechanism allowed: the query string or the header.", 400)
    if presigned:
        return _claim_of_query(query)
    if not authorization:
        raise Refused("MissingAuthenticationToken", "Access Denied: the request is not signed.")
    return _claim_of_header(authorization, request)


def service_of(request: Request) -> str | None:
    """The service that the request claims to be signed for; None if it says none."""
    if "AWSAccessKeyId=" in request.query:
        return "s3"
    found = _SERVICE.search(request.header("authorization")) or _SERVICE.search(unquote(request.query))
    return found and found[1]


def check_time(claim: Claim, now: datetime) -> None:
    """Raises Refused when the request was signed too long ago, or is still to come."""
    signed_at = claim.signed_at
    if claim.timestamp[:8] != claim.date:
        raise Refused("SignatureDoesNotMatch", f"The credential is of {claim.date}, the request of {claim.timestamp}.")
    if claim.expires_s is None:
        if abs(now - signed_at) > SKEW:
            raise Refused("RequestTimeTooSkewed", f"Signed at {claim.timestamp}, and it is {now:%Y%m%dT%H%M%SZ}.")
    elif now > signed_at + timedelta(seconds=claim.expires_s):
        raise Refused("AccessDenied", "Request has expired")
    elif signed_at > now + SKEW:
        raise Refused("AccessDenied", "Request is not yet valid")


def check_signature(claim: Claim, request: Request, secret: str, body: bytes) -> None:
    """Raises Refused unless this secret signed this request; `body` is of the services that sign it whole, so not S3."""
    present = {name for name, _ in request.headers}
    if "host" not in claim.signed_headers or not present.issuperset(claim.signed_headers):
        raise Refused("SignatureDoesNotMatch", "The signed headers must include host, and all must be there.")
    unsigned = sorted(name for name in present.difference(claim.signed_headers) if name.startswith("x-amz-"))
    if unsigned:
        raise Refused("AccessDenied", f"There were headers present which were not signed: {', '.join(unsigned)}")
    if "#" in request.path or "#" in request.query:
        raise Refused("SignatureDoesNotMatch", "The path has a character that must be encoded: #")
    if not hmac.compare_digest(_expected(claim, request, secret, body).encode(), claim.signature.encode()):
        raise Refused(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method.",
        )


def payload_hash(claim: Claim, request: Request) -> str | None:
    """What the request says about its body; None for services that sign the body without a header of its own."""
    said = request.header("x-amz-content-sha256")
    if claim.service != "s3":
        return said or None
    if claim.expires_s is not None:
        return said or UNSIGNED_PAYLOAD
    if not said:
        raise Refused("InvalidRequest", "Missing required header for this request: x-amz-content-sha256", 400)
    return said


def signing_key(claim: Claim, secret: str) -> bytes:
    """The key that signs the parts of a body."""
    key = f"AWS4{secret}".encode()
    for part in (claim.date, claim.region, claim.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


class _Verifier(SigV4Auth):
    """botocore's signer over the very headers that the client signed, with AWS's encoding of path and query."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        return request.headers

    def canonical_query_string(self, request: AWSRequest) -> str:
        pairs = [pair.partition("=") for pair in urlsplit(str(request.url)).query.split("&") if pair]
        encoded = sorted((_encoded(name), _encoded(value)) for name, _, value in pairs)
        return "&".join(f"{name}={value}" for name, value in encoded if name != "X-Amz-Signature")


class _S3Verifier(_Verifier):
    def _normalize_url_path(self, path: str) -> str:
        """S3 takes a path as it is: a key may have dots and double slashes."""
        return quote(unquote_to_bytes(path), safe="/-_.~")


def _expected(claim: Claim, request: Request, secret: str, body: bytes) -> str:
    url = f"https://{request.header('host')}{request.path}" + (f"?{request.query}" if request.query else "")
    signed = AWSRequest(method=request.method, url=url, data=body)
    signed.context["timestamp"] = claim.timestamp
    for name, value in request.headers:
        if name in claim.signed_headers:
            signed.headers.add_header(name, value)
    kind = _S3Verifier if claim.service == "s3" else _Verifier
    verifier = kind(Credentials(claim.access_key_id, secret), claim.service, claim.region)
    canonical = verifier.canonical_request(signed)
    hashed = payload_hash(claim, request)
    if hashed is not None:
        canonical = f"{canonical.rpartition('\n')[0]}\n{hashed}"
    return str(verifier.signature(verifier.string_to_sign(signed, canonical), signed))


def _encoded(text: str) -> str:
    return quote(unquote_to_bytes(text), safe="-_.~")


def _claim_of_header(authorization: str, request: Request) -> Claim:
    algorithm, _, rest = authorization.partition(" ")
    fields = {name: value for name, _, value in (part.strip().partition("=") for part in rest.split(","))}
    if algorithm != ALGORITHM or not fields.keys() >= {"Credential", "SignedHeaders", "Signature"}:
        raise Refused("AuthorizationHeaderMalformed", f"The Authorization header must be one of {ALGORITHM}.", 400)
    return _claim(fields["Credential"], fields["SignedHeaders"], fields["Signature"], request.header("x-amz-date"),
                  request.header("x-amz-security-token"), None)  # fmt: skip


def _claim_of_query(query: Mapping[str, list[str]]) -> Claim:
    fields = {name: query.get(name, [""])[0] for name in ("X-Amz-Algorithm", *_QUERY_FIELDS)}
    if fields["X-Amz-Algorithm"] != ALGORITHM or not all(fields.values()):
        raise _bad_query(
            f"Query-string authentication needs X-Amz-Algorithm={ALGORITHM} and {', '.join(_QUERY_FIELDS)}."
        )
    credential, timestamp, signed_headers, signature, expires = (fields[name] for name in _QUERY_FIELDS)
    if not (expires.isascii() and expires.isdigit() and 0 <= int(expires) <= LONGEST_EXPIRY_S):
        raise _bad_query(f"X-Amz-Expires={expires} must be a number from 0 to {LONGEST_EXPIRY_S} (a week, in seconds).")
    if credential.split("/")[3:4] != ["s3"]:
        raise _bad_query(f"{credential!r} is not scoped to s3: only S3 has presigned URLs here.")
    token = query.get("X-Amz-Security-Token", [""])[0]
    return _claim(credential, signed_headers, signature, timestamp, token, int(expires))


def _claim(
    credential: str, signed_headers: str, signature: str, timestamp: str, token: str, expires_s: int | None
) -> Claim:
    key, *scope = credential.split("/")
    if len(scope) != 4 or scope[3] != "aws4_request":
        raise Refused(
            "AuthorizationHeaderMalformed", f"{credential!r} must read KEY/date/region/service/aws4_request.", 400
        )
    names = tuple(name.lower() for name in signed_headers.split(";"))
    date, region, service, _ = scope
    return Claim(key, date, region, service, names, signature, timestamp, token, expires_s)


def _bad_query(sentence: str) -> Refused:
    return Refused("AuthorizationQueryParametersError", sentence, 400)
