"""The body of a request: one image, or many in a tar or a form. The images' bytes are copied once.

Sizes are checked before and while the body is read, never after.
"""

from __future__ import annotations

from typing import NamedTuple

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from proxy.groups.tarring import members_of
from proxy.http.held_bytes import Hold
from serving.bundle import MAX_IMAGES, NoBundle, is_bundle
from serving.requests import BadRequest

IMAGE_BYTES = 10 * 2**20
REQUEST_BYTES = 64 * 2**20  # of a tar or a form
_HEAD = 512  # bytes that say whether a body is a tar
_FORM = "multipart/form-data"


class SentImages(NamedTuple):
    """The images of one request; `names` if it was sent as many, even if it holds one."""

    images: list[memoryview]
    names: list[str] | None = None
    top_k: str | None = None  # a form's own


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
    body = memoryview(await _read_body(request, hold))
    return _unpacked(body) if is_bundle(body) else SentImages([body])


def too_large_sentence() -> str:
    """Of one image among many."""
    return str(_too_large("The image", IMAGE_BYTES))


async def _read_body(request: web.Request, hold: Hold) -> bytes:
    pieces: list[bytes] = []
    head, size, limit = b"", 0, REQUEST_BYTES
    async for piece in request.content.iter_any():
        hold.grow(len(piece))
        pieces.append(piece)
        size += len(piece)
        if len(head) < _HEAD:
            head += piece[:_HEAD]
            limit = REQUEST_BYTES if len(head) < _HEAD or is_bundle(head) else IMAGE_BYTES
        if max(size, request.content_length or 0) > limit:
            raise _too_large("The request" if limit == REQUEST_BYTES else "The image", limit)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _read_form(request: web.Request, hold: Hold) -> SentImages:
    names: list[str] = []
    images: list[memoryview] = []
    top_k, size = None, 0
    try:
        async for part in await request.multipart():
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
        raise BadRequest(f"The form cannot be read ({error}).") from error
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
