"""A server that keeps every promise of the contract, and knows nothing of models: its classes are colours."""

from __future__ import annotations

import base64
import email
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from PIL import Image

from inference.images.reading import UnreadableImage, read_image
from serving.bundle import NoBundle, is_bundle, read_bundle
from tests.conformance.pictures import usual_kinds

MODEL = {"name": "colours", "version": "1.0", "archive_sha256": "0" * 64, "engine": "arithmetic-fp64"}
CLASSES = ("red", "green", "blue", "dark")
STATUSES = {"empty": 400, "bad_request": 400, "too_large": 413, "unsupported_format": 415}


class Reply(NamedTuple):
    """One response: a document, or a picture."""

    status: int
    document: dict[str, Any] | bytes
    headers: Mapping[str, str] = {}


class Refused(Exception):
    """The image's or the request's fault: a code, and a sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code, self.status = code, STATUSES.get(code, 422)

    @property
    def document(self) -> dict[str, Any]:
        return {"code": self.code, "error": str(self)}


class UnknownCoding(Exception):
    """A Content-Encoding that is not known here: a sentence."""


class Reference:
    """The contract, a method for each part of it; a planted violation replaces one."""

    largest_bytes = 64 * 2**20
    largest_image_bytes = 10 * 2**20
    most_at_once = 8
    methods: Sequence[str] = ("POST", "PUT")
    takes_chunks = True
    knows_json = True
    codings: Sequence[str] = ("gzip", "deflate")
    headers_s: float | None = 0.5  # for the headers of a request
    answers_half_closed = True
    token: str | None = "a shared secret"

    def door(self, method: str, headers: Mapping[str, str]) -> Reply | None:
        """Why a request is turned away before its body is read; None if it may come in."""
        if not self.knows(headers.get("Authorization", "")):
            return self.stranger()
        if method not in self.methods:
            return self.not_allowed(method)
        if "Content-Length" not in headers and not self.takes_chunks:
            return Reply(411, {"code": 411, "type": "LengthRequired", "message": "How long is it?"})
        if int(headers.get("Content-Length", 0)) > self.largest_bytes:
            return Reply(413, {"code": "too_large", "error": "The request is too large."})
        return None

    def not_allowed(self, method: str) -> Reply:
        sentence = f"Nobody may {method} here."
        document = {"code": 405, "type": "MethodNotAllowed", "message": sentence}
        return Reply(405, document, {"Allow": ", ".join(self.methods)})

    def knows(self, authorization: str) -> bool:
        return self.token is None or authorization == f"Bearer {self.token}"

    def stranger(self) -> Reply:
        sentence = "Bring a token that is known here."
        return Reply(401, {"code": 401, "type": "Unauthorized", "message": sentence}, {"WWW-Authenticate": "Bearer"})

    def ping(self) -> Reply:
        return Reply(200, {"status": "Healthy"})

    def busy(self) -> Reply:
        sentence = "The queue is full."
        return Reply(503, {"code": 503, "type": "ServiceUnavailable", "message": sentence}, {"Retry-After": "1"})

    def top_k(self, wanted: str | None) -> int:
        if wanted is None:
            return 3
        if not wanted.isdecimal() or not 1 <= int(wanted) <= len(CLASSES):
            raise Refused("bad_request", f"top_k is {wanted!r}, expected 1 to {len(CLASSES)}.")
        return int(wanted)

    def images(self, body: bytes, content_type: str) -> tuple[Sequence[tuple[str, bytes]], bool]:
        """The images of a request by name, and whether they were sent as many."""
        if content_type.startswith("multipart/"):
            form = email.message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
            parts = [it for it in form.walk() if not it.is_multipart()]
            named = [(str(it.get_param("name", "", "content-disposition")), _bytes(it)) for it in parts]
            return named, len(named) > 1
        if not is_bundle(body):
            return [("body", body)], False
        try:
            return [(member.name, bytes(member.data)) for member in read_bundle(body)], True
        except NoBundle as problem:
            raise Refused("too_large" if problem.too_many else "bad_request", str(problem)) from problem

    def look_at(self, data: bytes, top_k: int) -> dict[str, Any]:
        """The shares of each colour in one place of a picture, which a turned picture has elsewhere. Raises Refused."""
        if not data:
            raise Refused("empty", "There is no image.")
        if len(data) > self.largest_image_bytes:
            raise Refused("too_large", "The image is too large.")
        try:
            pixel = self.picture(data).resize((4, 4), Image.Resampling.BOX).crop((1, 0, 2, 1)).tobytes()
        except UnreadableImage as unreadable:
            raise Refused(unreadable.code, unreadable.reason) from unreadable
        levels = (*pixel, 3 * 255 - sum(pixel))
        shares = {label: level / (3 * 255) for label, level in zip(CLASSES, levels, strict=True)}
        best = sorted(shares, key=lambda label: -shares[label])[:top_k]
        return {"predictions": [{"label": label, "probability": shares[label]} for label in best], "uncertain": None}

    def picture(self, data: bytes) -> Image.Image:
        return read_image(data)

    def one(self, data: bytes, top_k: int) -> Reply:
        try:
            return Reply(200, {"model": MODEL, "timings": {}, **self.look_at(data, top_k)})
        except Refused as refused:
            return Reply(refused.status, {"model": MODEL, **refused.document})

    def entry(self, name: str, data: bytes, top_k: int) -> dict[str, Any]:
        try:
            return {"name": name, "status": 200, **self.look_at(data, top_k)}
        except Refused as refused:
            return {"name": name, "status": refused.status, **refused.document}

    def many(self, images: Sequence[tuple[str, bytes]], top_k: int) -> Reply:
        entries = [self.entry(name, data, top_k) for name, data in images]
        return Reply(200, {"model": MODEL, "timings": {}, "answers": entries})

    def inflated(self, body: bytes, coding: str | None) -> bytes:
        """The body before it was compressed. Raises Refused, UnknownCoding."""
        if coding is None:
            return body
        if coding not in self.codings:
            raise UnknownCoding(f"{coding} is not known here.")
        if coding == "gzip" and not body.startswith(b"\x1f\x8b"):
            return body
        machine = zlib.decompressobj(wbits=31 if coding == "gzip" else 15)
        try:
            plain = machine.decompress(body, self.largest_bytes)
        except zlib.error as error:
            raise Refused("bad_request", f"This is no {coding}: {error}.") from error
        if not machine.eof and not machine.unconsumed_tail:
            raise Refused("bad_request", "It is cut short.")
        if machine.unconsumed_tail:
            raise Refused("too_large", "The request is too large.")
        return plain

    def of_json(self, body: bytes) -> Reply:
        """The reply to images in base64. Raises Refused."""
        try:
            document = json.loads(body)
        except ValueError as error:
            raise Refused("bad_request", f"This is no JSON: {error}.") from error
        if isinstance(document.get("data"), str):
            return self.one(base64.b64decode(document["data"]), 3)
        instances = document.get("instances")
        if not isinstance(instances, list) or not instances:
            raise Refused("bad_request", "There are no instances.")
        if len(instances) > 64:
            raise Refused("too_large", "There are too many instances.")
        return self.predictions([self.instance(it) for it in instances])

    def predictions(self, entries: Sequence[dict[str, Any]]) -> Reply:
        return Reply(200, {"model": MODEL, "timings": {}, "predictions": entries})

    def instance(self, instance: object) -> dict[str, Any]:
        value = instance
        while isinstance(value, dict):
            value = next(iter(value.values()), None)
        if not isinstance(value, str):
            return {"status": 400, "code": "bad_request", "error": "This is no base64."}
        try:
            data = base64.b64decode(value, validate=True)
        except ValueError:
            return {"status": 422, "code": "unreadable", "error": "This is no base64."}
        return {key: value for key, value in self.entry("", data, 3).items() if key != "name"}

    def explanation(self, data: bytes) -> Reply:
        answer = self.one(data, 1)
        if answer.status != 200 or isinstance(answer.document, bytes):
            return answer
        [best] = answer.document["predictions"]
        headers = {"Content-Type": "image/png", "X-Label": best["label"], "X-Probability": str(best["probability"])}
        return Reply(200, usual_kinds()["PNG"], headers)

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """The reply to a body that was read whole."""
        parts = urlsplit(path)
        verb, name, *version = parts.path.strip("/").split("/")
        if name != MODEL["name"] or version not in ([], [MODEL["version"]]):
            return Reply(404, {"code": 404, "type": "NotFound", "message": f"There is no {parts.path} here."})
        wanted = parse_qs(parts.query, keep_blank_values=True).get("top_k", [headers.get("X-Top-K")])[0]
        try:
            body = self.inflated(body, headers.get("Content-Encoding"))
            if verb == "explanations":
                return self.explanation(body)
            if self.knows_json and headers.get("Content-Type") == "application/json":
                return self.of_json(body)
            top_k = self.top_k(wanted)
            images, many = self.images(body, headers.get("Content-Type", ""))
        except UnknownCoding as unknown:
            document = {"code": 415, "type": "UnsupportedMediaType", "message": str(unknown)}
            return Reply(415, document, {"Accept-Encoding": ", ".join(self.codings)})
        except Refused as refused:
            return Reply(refused.status, {"model": MODEL, **refused.document})
        return self.many(images, top_k) if many else self.one(images[0][1], top_k)


def _bytes(part: email.message.Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""
