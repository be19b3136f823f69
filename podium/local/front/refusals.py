"""Refusals, in the form that the client of each service reads: S3's XML, the query services' XML, or JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple
from uuid import uuid4
from xml.sax.saxutils import escape

_REST_JSON = re.compile(r"/\d{4}-\d{2}-\d{2}/")  # Lambda, API Gateway: /2015-03-31/functions

_S3_CODES = {  # where S3 has words of its own
    "MissingAuthenticationToken": "AccessDenied",
    "InvalidClientTokenId": "InvalidAccessKeyId",
    "UnrecognizedClientException": "InvalidAccessKeyId",
}


class Refused(Exception):
    """A request that is not answered: AWS's code, its sentence, the HTTP status."""

    def __init__(self, code: str, sentence: str, status: int = 403) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.status = status


class Response(NamedTuple):
    """What the client gets."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def respond(refused: Refused, *, service: str | None, path: str, headers: Mapping[str, str]) -> Response:
    """The response to a refused request; `service` is of its credential scope, None if it has none."""
    request_id = str(uuid4())
    if "cbor" in headers.get("smithy-protocol", ""):
        return Response(
            refused.status,
            {"content-type": "application/cbor", "smithy-protocol": headers["smithy-protocol"]},
            _cbor({"__type": refused.code, "message": refused.sentence}),
        )
    if _speaks_json(service, path, headers):
        body = json.dumps({"__type": refused.code, "message": refused.sentence}).encode()
        kind = {"content-type": "application/x-amz-json-1.0", "x-amzn-errortype": refused.code}
        return Response(refused.status, {**kind, "x-amzn-requestid": request_id}, body)
    form = "x-www-form-urlencoded" in headers.get("content-type", "")
    code = refused.code if form else _S3_CODES.get(refused.code, refused.code)
    error = f"<Code>{code}</Code><Message>{escape(refused.sentence)}</Message>"
    if form:
        document = f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    else:
        document = f"<Error>{error}<RequestId>{request_id}</RequestId></Error>"
    kind = {"content-type": "application/xml", "x-amz-request-id": request_id}
    return Response(refused.status, kind, f'<?xml version="1.0" encoding="UTF-8"?>\n{document}'.encode())


def _speaks_json(service: str | None, path: str, headers: Mapping[str, str]) -> bool:
    if service == "s3":
        return False
    return "x-amz-target" in headers or "json" in headers.get("content-type", "") or _REST_JSON.match(path) is not None


def _cbor(texts: Mapping[str, str]) -> bytes:
    """A map of short texts, RFC 8949: what the newest clients of CloudWatch read."""

    def text(value: str) -> bytes:
        encoded = value.encode()
        return bytes([0x79]) + len(encoded).to_bytes(2) + encoded

    return bytes([0xA0 + len(texts)]) + b"".join(text(name) + text(value) for name, value in texts.items())
