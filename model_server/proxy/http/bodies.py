"""The body of a request: one image, or many in a tar, a form or JSON. The bytes of images that come as such are copied once.

Sizes are checked before and while the body is read, never after.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple

from aiohttp import BodyPartReader, MultipartReader, StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError

from proxy.groups.tarring import members_of
from proxy.http.base64_json import looks_like_json, read_json
from proxy.http.compressed import coding_of, inflated
from proxy.http.held_bytes import Hold
from serving.bundle import MAX_IMAGES, NoBundle, is_bundle
from serving.requests import BadRequest

IMAGE_BYTES = 10 * 2**20
REQUEST_BYTES = 64 * 2**20  # of a tar or a form
_HEAD = 512  # bytes that say whether a body is a tar
_FORM, _JSON = "multipart/form-data", "application/json"
_NONE: Mapping[int, BadRequest] = {}
_BROKEN_FORM = (
    "The form cannot be read: it breaks off, or its boundary, or a header of one of its fields, is not as it should be. "
    "Send it as `curl -F data=@FILE` does."
)


class SentImages(NamedTuple):
    """The images of one request; `names` if it was sent as many, even if it holds one."""

    images: list[memoryview]
    names: list[str] | None = None
    top_k: str | None = None  # a form's own, or JSON's
    as_instances: bool = False  # of JSON, which wants `predictions` for them
    refused: Mapping[int, BadRequest] = _NONE  # by their places: what was sent instead of an image


def check_length(request: web.Request) -> None:
    """Raises BadRequest if the headers already say that the body is too large."""
    if (request.content_length or 0) > REQUEST_BYTES:
        raise _too_large("The request", REQUEST_BYTES)


async def read_images(request: web.Request, hold: Hold) -> SentImages:
    """The images of a request, held as they come in.

    Raises BadRequest if they cannot be taken, MemoryFull if there is no room for them now.
    """
    if request.content_type == _FORM:
        return await _read_form(request, hold)
    body = await _read_body(request, hold)
    if _may_be_json(body[:_HEAD], request):
        return _from_json(body, request, hold)
    return _unpacked(memoryview(body)) if is_bundle(body) else SentImages([memoryview(body)])


def too_large_sentence() -> str:
    """Of one image among many."""
    return str(_too_large("The image", IMAGE_BYTES))


async def _read_body(request: web.Request, hold: Hold) -> bytes:
    pieces: list[bytes] = []
    head, size, limit = b"", 0, REQUEST_BYTES
    async for piece in _pieces(request):
        hold.grow(len(piece))
        pieces.append(piece)
        size += len(piece)
        if len(head) < _HEAD:
            head += piece[:_HEAD]
            many = len(head) < _HEAD or is_bundle(head) or _may_be_json(head, request)
            limit = REQUEST_BYTES if many else IMAGE_BYTES
        if max(size, request.content_length or 0) > limit:
            raise _too_large("The request" if limit == REQUEST_BYTES else "The image", limit)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _pieces(request: web.Request) -> AsyncIterator[bytes]:
    """The body as it comes, without its compression."""
    pieces, coding = request.content.iter_any(), coding_of(request.headers.get("Content-Encoding"))
    return inflated(pieces, coding) if coding else pieces


async def _form(request: web.Request, hold: Hold) -> MultipartReader:
    """A form's reader; a compressed form is first inflated, within the limit of a request."""
    if coding_of(request.headers.get("Content-Encoding")) is None:
        return await request.multipart()
    loop = asyncio.get_running_loop()
    plain, size = StreamReader(BaseProtocol(loop), REQUEST_BYTES, loop=loop), 0
    async for piece in _pieces(request):
        hold.grow(len(piece))
        size += len(piece)
        if size > REQUEST_BYTES:
            raise _too_large("The form", REQUEST_BYTES)
        plain.feed_data(piece)
    plain.feed_eof()
    return MultipartReader(request.headers, plain)


def _may_be_json(head: bytes, request: web.Request) -> bool:
    """A tar's first name may begin as JSON does."""
    return not is_bundle(head) and looks_like_json(head, declared=request.content_type == _JSON)


def _from_json(body: bytes, request: web.Request, hold: Hold) -> SentImages:
    """The images of a JSON body, whose text is given up for them."""
    found = read_json(body, declared=request.content_type == _JSON, hold=hold.grow)
    refused = {place: image for place, image in enumerate(found.images) if isinstance(image, BadRequest)}
    images = [memoryview(b"" if isinstance(image, BadRequest) else image) for image in found.images]
    if found.many:
        return SentImages(images, [*map(str, range(len(images)))], found.top_k, as_instances=True, refused=refused)
    if refused:
        raise refused[0]
    return _from_one_field(images[0])._replace(top_k=found.top_k)


async def _read_form(request: web.Request, hold: Hold) -> SentImages:
    names: list[str] = []
    images: list[memoryview] = []
    top_k, size = None, 0
    try:
        async for part in await _form(request, hold):
            if not isinstance(part, BodyPartReader):
                raise BadRequest("The form holds a form. Send each image as a field of its own.")
            image = bytearray()
            while piece := await part.read_chunk(2**16):
                hold.grow(len(piece))
                image += piece
                if size + len(image) > REQUEST_BYTES:
                    raise _too_large("The form", REQUEST_BYTES)
            size += len(image)
            if part.name == "top_k":
                top_k = image.decode("ascii", "replace")
            elif part.filename is not None or part.name in {"data", "body"}:
                names.append(part.name or part.filename or str(len(names)))
                images.append(memoryview(image))
            if len(images) > MAX_IMAGES:
                raise BadRequest(f"The form holds more than {MAX_IMAGES} images. Send it in parts.", status=413)
    except (ValueError, AssertionError, web.RequestPayloadError, HttpProcessingError) as error:
        raise BadRequest(_BROKEN_FORM) from error
    if not images:
        raise BadRequest(
            "The form holds no image. Send it as the field `data`, or as a file in any field.", code="empty"
        )
    return (SentImages(images, names) if len(images) > 1 else _from_one_field(images[0]))._replace(top_k=top_k)


def _from_one_field(image: memoryview) -> SentImages:
    if is_bundle(image):
        return _unpacked(image)
    if image.nbytes > IMAGE_BYTES:
        raise _too_large("The image", IMAGE_BYTES)
    return SentImages([image])


def _unpacked(body: memoryview) -> SentImages:
    try:
        members = members_of(body)
    except NoBundle as error:
        raise BadRequest(str(error), status=413 if error.too_many else 400) from error
    return SentImages([member.data for member in members], [member.name for member in members])


def _too_large(what: str, limit: int) -> BadRequest:
    return BadRequest(f"{what} is larger than {limit // 2**20} MiB.", status=413)
