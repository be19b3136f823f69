"""Images as base64 in JSON, as clients of TorchServe, KServe and TF Serving send them. No I/O.

{"instances": [{"data": BASE64}, {"b64": BASE64}, {"image_bytes": {"b64": BASE64}}, BASE64, ...]}    or    {"data": BASE64}

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol and
https://www.tensorflow.org/tfx/serving/api_rest#encoding_binary_values
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from serving.bundle import MAX_IMAGES
from serving.requests import TOP_K, BadRequest

INSTANCES = "instances"
FIELDS = ("b64", "data", "body", "image", "image_bytes")  # which may hold an image
MOST_COMMAS = 5000  # base64 has none, and 64 images have some hundreds
_SHAPES = 'Send {"instances": [{"data": BASE64}, ...]}, or {"data": BASE64} for one image.'
_FROM_URL, _SPACE = bytes.maketrans(b"-_", b"+/"), b" \t\r\n"
_MARK = b"\xef\xbb\xbf"  # of the byte order, which some editors write before UTF-8
_ANY_VALUE = re.compile(rb'[{\["]|-?\d|(?:true|false|null)\s*$')  # the beginning of any JSON; no image begins like that


class InJson(NamedTuple):
    """The images of a JSON body, each with a reason instead if there is none; `many` if the response must be a list."""

    images: list[bytes | BadRequest]
    many: bool
    top_k: str | None = None


class _NoJson(Exception):
    """Why a body cannot be read as JSON."""


def looks_like_json(head: bytes, *, declared: bool) -> bool:
    """Whether a body's first bytes begin an object or a list in JSON, or anything in JSON if it is `declared` to be that."""
    text = head.removeprefix(_MARK).lstrip(_SPACE)
    return text[:1] in (b"{", b"[") or (declared and _ANY_VALUE.match(text) is not None)


def read_json(body: bytes, *, declared: bool, hold: Callable[[int], None]) -> InJson:
    """The images in a JSON body. `hold` gets how many bytes each image has, before there is a second one.

    Raises BadRequest if there are none; 415, as for any text, if it is not `declared` to be JSON and cannot be read as that.
    """
    try:
        document = _parsed(body)
    except _NoJson as error:
        if declared:
            raise BadRequest(f"The body is no JSON: {error}. {_SHAPES}") from error
        sentence = f"This is text, and no image. If JSON is meant: {error}. {_SHAPES}"
        raise BadRequest(sentence, status=415, code="unsupported_format") from error
    if not isinstance(document, dict):
        raise BadRequest(f"The JSON is no object. {_SHAPES}")
    instances = _instances(document)
    if instances is not None and len(instances) > MAX_IMAGES:
        raise BadRequest(f"The JSON holds more than {MAX_IMAGES} images. Send it in parts.", status=413)
    images: list[bytes | BadRequest] = []
    for instance in [document] if instances is None else instances:
        images.append(_image(instance))
        hold(len(images[-1]) if isinstance(images[-1], bytes) else 0)
    top_k = document.get(TOP_K)
    return InJson(images, instances is not None, None if top_k is None else str(top_k))


def _parsed(body: bytes) -> object:
    """JSON that cannot grow: behind each comma may stand a value that takes many times its size in memory. Raises _NoJson."""
    if body.count(b",") > MOST_COMMAS:
        raise _NoJson("it holds more than images in base64, such as arrays of numbers")
    try:
        return json.loads(body.removeprefix(_MARK))
    except json.JSONDecodeError as error:
        raise _NoJson(f"it breaks off or is wrong at character {error.pos + 1:,}") from error
    except UnicodeDecodeError as error:
        raise _NoJson(f"it is no text from byte {error.start + 1:,} on") from error
    except RecursionError as error:
        raise _NoJson("it is nested too deep") from error
    except ValueError as error:  # Python's limit, against numbers that take minutes
        raise _NoJson("it holds a number of thousands of digits") from error


def _instances(document: dict[str, Any]) -> list[object] | None:
    """What `instances` holds; None if the object itself is the only one."""
    instances = document.get(INSTANCES)
    if instances is None and not any(name in document for name in FIELDS):
        raise BadRequest(f"The JSON holds no images. {_SHAPES}")
    if instances is not None and (not isinstance(instances, list) or not instances):
        raise BadRequest(f"`instances` is no list of images. {_SHAPES}")
    return instances


def _image(instance: object) -> bytes | BadRequest:
    """The bytes of one image, or why there are none: its neighbours get their classes."""
    value, depth = instance, 0
    while isinstance(value, dict) and depth < 2:
        value, depth = next((value[name] for name in FIELDS if name in value), None), depth + 1
    if not isinstance(value, str):
        return BadRequest(f"Here is no image in base64. {_SHAPES}")
    return _decoded(value)


def _decoded(text: str) -> bytes | BadRequest:
    """Base64 as it should be, or with line ends, in the alphabet of URLs, without its padding, or as a `data:` URL."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        pass  # a second look costs a copy, and only those who need it
    try:
        plain = b"".join(text.encode("ascii").split()).translate(_FROM_URL).rstrip(b"=")
        return base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        sentence = (
            "The base64 of this image cannot be decoded: a character is none of its own, or the last ones are missing."
        )
        return BadRequest(sentence, status=422, code="unreadable")
