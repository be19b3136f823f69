"""One request: its images, how many classes it wants, and whether it wants a heat map. No torch, no TorchServe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from serving.bundle import MAX_IMAGES, NoBundle, is_bundle, read_bundle

TOP = 3  # classes in a response
TOP_K = "top_k"  # a form's field; TorchServe drops the query, the proxy turns it into the header
TOP_K_HEADER = "x-top-k"
EXPLAIN_HEADER = "explain"  # TorchServe's own, for /explanations


class BadRequest(Exception):
    """The request itself is wrong, not an image in it: a sentence for the sender, from the proxy or from the handler."""

    def __init__(self, sentence: str, *, status: int = 400, code: str | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code or ("too_large" if status == 413 else "bad_request")


@dataclass(frozen=True)
class ImageRequest:
    """Images by name, in the order they were sent; `many` if the response must be a list, even of one."""

    images: tuple[tuple[str, bytes], ...]
    many: bool
    top_k: int
    explain: bool = False


def parse_request(request: Mapping[str, object], headers: Mapping[str, object], class_count: int) -> ImageRequest:
    """TorchServe's request, a raw body or a form, as one of ours. Raises BadRequest."""
    in_header = (value for name, value in headers.items() if name.lower() == TOP_K_HEADER)
    top_k = _top_k(request.get(TOP_K, next(in_header, None)), class_count)
    images, many = _images([(name, _bytes(value)) for name, value in request.items() if name != TOP_K])
    explain = headers.get(EXPLAIN_HEADER) == "True"
    if explain and many:
        raise BadRequest("One image is explained at a time.")
    return ImageRequest(tuple(images), many, top_k, explain)


def _images(parts: list[tuple[str, bytes]]) -> tuple[list[tuple[str, bytes]], bool]:
    """The images of a request's parts, and whether they were sent as many."""
    if len(parts) > MAX_IMAGES:
        raise BadRequest(f"The form holds {len(parts)} images, at most {MAX_IMAGES} are answered at once.", status=413)
    if len(parts) > 1:
        return parts, True
    name, data = parts[0] if parts else ("body", b"")
    if not is_bundle(data):
        return [(name, data)], False
    try:
        return [(member.name, bytes(member.data)) for member in read_bundle(data)], True
    except NoBundle as problem:
        raise BadRequest(str(problem), status=413 if problem.too_many else 400) from problem


def _bytes(value: object) -> bytes:
    """A part's bytes. TorchServe decodes what is declared as text or JSON; encoded again, it is rejected as such."""
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    return (value if isinstance(value, str) else json.dumps(value)).encode(errors="replace")  # JSON knows half letters


def _top_k(wanted: object, class_count: int) -> int:
    if wanted is None:
        return min(TOP, class_count)
    text = _bytes(wanted).decode("ascii", "replace")
    if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= class_count:
        raise BadRequest(f"{TOP_K} is {text[:20]!r}: give a number from 1 to {class_count}, the model's classes.")
    return int(text)
