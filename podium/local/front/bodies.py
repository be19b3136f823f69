"""The bodies of signed requests: hashed as they pass by; only what is signed whole is held."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from hashlib import sha256
from typing import Any

from podium.local.front.refusals import Refused
from podium.local.front.signatures import Claim

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

WHOLE_BODY_BYTES = 80 * 2**20  # AWS takes 70 MB, for a function's zip
_NO_BYTES = sha256(b"").hexdigest()
_HEX = frozenset(b"0123456789abcdefABCDEF")


class Gone(Exception):
    """The client has hung up."""


def hashed(receive: Receive, expected: str) -> Receive:
    """The same messages; raises Refused with the last one when the body is not the one that was signed."""
    digest = sha256()

    async def check() -> Message:
        message = await receive()
        if message["type"] == "http.request":
            digest.update(message.get("body", b""))
            if not message.get("more_body", False) and not hmac.compare_digest(digest.hexdigest(), expected):
                raise _differs("The provided 'x-amz-content-sha256' header does not match what was computed.")
        return message

    return check


async def read_whole(receive: Receive) -> bytes:
    """The whole body. Raises Refused when it is larger than any AWS takes, Gone when the client does not send it all."""
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > WHOLE_BODY_BYTES:
            raise Refused("RequestEntityTooLarge", f"The body is larger than {WHOLE_BODY_BYTES} bytes.", 413)
        more = message.get("more_body", False)
    return b"".join(parts)


def replayed(body: bytes, receive: Receive) -> Receive:
    """A body that was read, as one message; then whatever comes."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return left.pop() if left else await receive()

    return next_message


def check_chunks(body: bytes, claim: Claim, key: bytes) -> None:
    """Raises Refused unless every part of an aws-chunked body has the signature that follows from the one before.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and ...sigv4-streaming-trailers.html
    """
    previous, position, size = claim.signature, 0, -1
    while size != 0:
        head, chunk, position = _chunk(body, position)
        size = len(chunk)
        previous = _checked_part("PAYLOAD", (previous, _NO_BYTES, sha256(chunk).hexdigest()), head, claim, key)
    *trailers, end = body[position:].rstrip(b"\r\n").split(b"\r\n")
    name, _, signature = end.partition(b":")
    if name == b"x-amz-trailer-signature":
        signed = b"".join(line + b"\n" for line in trailers)
        _checked_part("TRAILER", (previous, sha256(signed).hexdigest()), signature, claim, key)
    elif end:
        raise Refused("SignatureDoesNotMatch", "The trailers of the body are not signed.")


def _chunk(body: bytes, position: int) -> tuple[bytes, memoryview, int]:
    """The signature and the bytes of the chunk that begins here, and where the next one begins."""
    begin = body.find(b"\r\n", position) + 2
    size, _, signature = body[position : max(begin - 2, position)].partition(b";chunk-signature=")
    if not size or not set(size) <= _HEX or len(size) > 8:
        raise _differs("The aws-chunked body is cut short, or no chunk begins where one must.")
    end = begin + int(size, 16)
    if end > len(body):
        raise _differs(f"The last chunk of the aws-chunked body must have {int(size, 16)} bytes.")
    return signature, memoryview(body)[begin:end], end + (2 if end > begin else 0)


def _checked_part(kind: str, facts: tuple[str, ...], signature: bytes, claim: Claim, key: bytes) -> str:
    scope = f"{claim.date}/{claim.region}/{claim.service}/aws4_request"
    document = "\n".join((f"AWS4-HMAC-SHA256-{kind}", claim.timestamp, scope, *facts))
    expected = hmac.digest(key, document.encode(), "sha256").hex()
    if not hmac.compare_digest(expected.encode(), signature.strip()):
        raise Refused("SignatureDoesNotMatch", f"The signature of a part of the body ({kind.lower()}) does not match.")
    return expected


def _differs(sentence: str) -> Refused:
    return Refused("XAmzContentSHA256Mismatch", sentence, 400)
