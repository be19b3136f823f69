"""What one request asks for: which images, how many classes. No torch, no TorchServe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from serving.bundle import MAX_IMAGES, NoBundle, is_bundle, read_bundle

TOP = 3  # classes in an answer
TOP_K = "top_k"  # a form's field; TorchServe drops the query, the proxy turns it into the header
TOP_K_HEADER = "x-top-k"


class BadRequest(Exception):
    """The request itself is wrong, not an image in it: a sentence for the sender."""

    def __init__(self, sentence: str, *, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = "too_large" if status == 413 else "bad_request"


@dataclass(frozen=True)
class Asked:
    """Images by name, in the order they were sent; `many` where the answer must be a list, though it be of one."""

    images: tuple[tuple[str, bytes], ...]
    many: bool
    top_k: int


def asked_in(request: Mapping[str, object], headers: Mapping[str, object], class_count: int) -> Asked:
    """What a request of TorchServe asks for: a raw body or a form, and how many classes. Raises BadRequest."""
    in_header = (value for name, value in headers.items() if name.lower() == TOP_K_HEADER)
    wanted = request.get(TOP_K, next(in_header, None))
    parts = [(name, _bytes(value)) for name, value in request.items() if name != TOP_K]
    top_k = _top_k(wanted, class_count)
    if len(parts) > 1:
        if len(parts) > MAX_IMAGES:
            raise BadRequest(
                f"The form holds {len(parts)} images, at most {MAX_IMAGES} are answered at once.", status=413
            )
        return Asked(tuple(parts), many=True, top_k=top_k)
    name, data = parts[0] if parts else ("body", b"")
    if not is_bundle(data):
        return Asked(((name, data),), many=False, top_k=top_k)
    try:
        members = read_bundle(data)
    except NoBundle as problem:
        raise BadRequest(str(problem), status=413 if problem.too_many else 400) from problem
    return Asked(tuple((member.name, bytes(member.data)) for member in members), many=True, top_k=top_k)


def _bytes(value: object) -> bytes:
    """A part's bytes. TorchServe decodes what is declared as text or JSON; it comes back as bytes, to be refused as such."""
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
