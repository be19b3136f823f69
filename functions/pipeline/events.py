"""The images that a message names, whatever way S3's event took to the queue.

S3 -> SQS, S3 -> SNS -> SQS (raw or wrapped), S3 -> EventBridge -> SQS
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_plus

from pydantic import Field, ValidationError
from pydantic_core import from_json

from pipeline.contracts import ImageRef, Record
from pipeline.errors import MessageUnreadable

READABLE_MAJOR = "2"  # AWS's rule: the same major version, any minor one, unknown fields ignored
QUOTED_CHARACTERS = 120  # of a message, in a sentence about it


class _Bucket(Record):
    name: str


class _NotifiedObject(Record):
    key: str
    size: int
    etag: str | None = Field(default=None, alias="eTag")
    version_id: str | None = Field(default=None, alias="versionId")
    sequencer: str = ""  # without one, any event that has one counts as newer


class _Notified(Record):
    bucket: _Bucket
    object: _NotifiedObject


class _NotificationRecord(Record):
    event_version: str = Field(alias="eventVersion")
    event_name: str = Field(alias="eventName")
    s3: dict[str, Any]


class _BridgedObject(Record):
    key: str
    size: int
    etag: str | None = None
    version_id: str | None = Field(default=None, alias="version-id")
    sequencer: str = ""


class _Bridged(Record):
    bucket: _Bucket
    object: _BridgedObject


def images_in(body: str) -> tuple[ImageRef, ...]:
    """Every image that was created, says the message; none when it asks for nothing (a test event, a removal).

    MessageUnreadable: no shape of message that we know; its sentence says what was wrong.
    """
    try:
        return _images_in(_json_object(body))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, it['loc']))}: {it['msg']}" for it in error.errors(include_url=False))
        raise MessageUnreadable(f"the event lacks what we need ({wrong}): {_quoted(body)}") from error


def _json_object(text: str) -> dict[str, Any]:
    try:
        message = from_json(text)
    except ValueError as error:
        raise MessageUnreadable(f"the message is not JSON ({error}): {_quoted(text)}") from error
    if not isinstance(message, dict):
        raise MessageUnreadable(f"the message is JSON but not an object: {_quoted(text)}")
    return message


def _images_in(message: dict[str, Any]) -> tuple[ImageRef, ...]:
    match message:
        case {"Type": "Notification", "Message": str(inner), "TopicArn": _}:
            return _images_in_event(_json_object(inner))
        case _:
            return _images_in_event(message)


def _images_in_event(event: dict[str, Any]) -> tuple[ImageRef, ...]:
    match event:
        case {"Event": "s3:TestEvent"}:  # S3 sends one whenever the bucket's notification is set
            return ()
        case {"Records": [*records]}:
            return tuple(image for record in records for image in _notified(record))
        case {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}:
            return (_bridged(_Bridged.model_validate(detail)),)
        case {"source": "aws.s3", "detail-type": str()}:
            return ()
        case _:
            raise MessageUnreadable(_unknown(event))


def _notified(record: object) -> tuple[ImageRef, ...]:
    """The image of one record of an S3 notification; its key arrives URL-encoded and is decoded here, once."""
    entry = _NotificationRecord.model_validate(record)
    if entry.event_version.partition(".")[0] != READABLE_MAJOR:
        raise MessageUnreadable(
            f"the S3 event has version {entry.event_version!r}, and we read {READABLE_MAJOR}.x: teach events.py the new one"
        )
    if not entry.event_name.startswith("ObjectCreated:"):
        return ()
    s3 = _Notified.model_validate(entry.s3)
    try:
        key = unquote_plus(s3.object.key, errors="strict")
    except UnicodeDecodeError as error:
        raise MessageUnreadable(f"the key {s3.object.key!r} is not URL-encoded UTF-8") from error
    return (_image(s3.bucket, key, s3.object),)


def _bridged(event: _Bridged) -> ImageRef:
    """The image of an EventBridge event; its key arrives as it is."""
    return _image(event.bucket, event.object.key, event.object)


def _image(bucket: _Bucket, key: str, sent: _NotifiedObject | _BridgedObject) -> ImageRef:
    return ImageRef(
        bucket=bucket.name,
        key=key,
        version_id=sent.version_id,
        etag=sent.etag,
        size_bytes=sent.size,
        sequencer=sent.sequencer,
    )


def _unknown(event: dict[str, Any]) -> str:
    return (
        "the message is none of: an S3 notification, one wrapped by SNS, an EventBridge event of S3, "
        f"an s3:TestEvent; its fields are {_quoted(', '.join(sorted(event)))}"
    )


def _quoted(text: str) -> str:
    return ascii(text if len(text) <= QUOTED_CHARACTERS else text[:QUOTED_CHARACTERS] + "...")
