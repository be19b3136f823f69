"""The images that a message names, on whatever way S3's event came to the queue.

S3 -> SQS, S3 -> SNS -> SQS (raw or wrapped), S3 -> EventBridge -> SQS, or one of our own messages (orders.py)
"""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import unquote_plus

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import from_json

from pipeline.contracts import KEY_LIMIT_BYTES, ImageRef, ModelFacts, Order, Record, Sender
from pipeline.errors import MessageUnreadable

READABLE_MAJOR = "2"  # AWS's rule: the same major version, any minor one, unknown fields ignored
QUOTED_CHARACTERS = 120  # of a message, in a sentence about it

# What S3, DynamoDB or the model server would refuse at every try is unreadable here, not tried ten times.
_BucketName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{3,255}$")]
_Size = Annotated[int, Field(ge=0, lt=2**63)]
_Etag = Annotated[str, Field(pattern=r"^[!-~]{1,1024}$")]
_VersionId = Annotated[str, Field(min_length=1, max_length=1024)]
_Batch = Annotated[str, Field(min_length=1, max_length=512)]  # a key of DynamoDB: 2,048 bytes, and never empty
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def _servable(model: ModelFacts) -> ModelFacts:
    """A name and a version become a part of a URL each."""
    for part in (model.name, model.version):
        if not _MODEL.fullmatch(part):
            raise ValueError(f"{_quoted(part)} is no name or version that a model server knows")
    return model


class _Bucket(Record):
    name: _BucketName


class _NotifiedObject(Record):
    key: str
    size: _Size
    etag: _Etag | None = Field(default=None, alias="eTag")
    version_id: _VersionId | None = Field(default=None, alias="versionId")
    sequencer: str = ""  # without one, any event that has one counts as newer


class _Notified(Record):
    bucket: _Bucket
    object: _NotifiedObject


class _Podium(Record):
    """The block that our own messages have beside S3's."""

    sender: Sender
    batch: _Batch | None = None
    model: Annotated[ModelFacts, AfterValidator(_servable)] | None = None


class _NotificationRecord(Record):
    event_version: str = Field(alias="eventVersion")
    event_name: str = Field(alias="eventName")
    s3: dict[str, Any]
    podium: _Podium | None = None


class _BridgedObject(Record):
    key: str
    size: _Size
    etag: _Etag | None = None
    version_id: _VersionId | None = Field(default=None, alias="version-id")
    sequencer: str = ""


class _Bridged(Record):
    bucket: _Bucket
    object: _BridgedObject


def orders_in(body: str) -> tuple[Order, ...]:
    """An order for every image that the message reports as created; none for a test event or a removal.

    MessageUnreadable: the message has no shape that we know; the sentence names what is wrong.
    """
    try:
        return _orders_in(_json_object(body))
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


def _orders_in(message: dict[str, Any]) -> tuple[Order, ...]:
    match message:
        case {"Type": "Notification", "Message": str(inner), "TopicArn": _}:
            return _orders_in_event(_json_object(inner))
        case _:
            return _orders_in_event(message)


def _orders_in_event(event: dict[str, Any]) -> tuple[Order, ...]:
    match event:
        case {"Event": "s3:TestEvent"}:  # S3 sends one whenever the bucket's notification is set
            return ()
        case {"Records": [*records]}:
            return tuple(order for record in records for order in _notified(record))
        case {"source": "aws.s3", "detail-type": "Object Created"}:
            return (_bridged(_Bridged.model_validate(event.get("detail"))),)
        case {"source": "aws.s3", "detail-type": str()}:
            return ()
        case _:
            raise MessageUnreadable(_unknown(event))


def _notified(record: object) -> tuple[Order, ...]:
    """The order in one record of an S3 notification; its key arrives URL-encoded and is decoded here, once."""
    entry = _NotificationRecord.model_validate(record)
    if entry.event_version.partition(".")[0] != READABLE_MAJOR:
        raise MessageUnreadable(
            f"the S3 event has version {_quoted(entry.event_version)}, and we read {READABLE_MAJOR}.x: teach events.py the new one"
        )
    if not entry.event_name.startswith("ObjectCreated:"):
        return ()
    s3 = _Notified.model_validate(entry.s3)
    try:
        key = unquote_plus(s3.object.key, errors="strict")
    except UnicodeDecodeError as error:
        raise MessageUnreadable(f"the key {_quoted(s3.object.key)} is not URL-encoded UTF-8") from error
    image = _image(s3.bucket, key, s3.object)
    if entry.podium is None:
        return (Order(image=image, batch=image.batch),)
    own = entry.podium
    return (Order(image=image, sender=own.sender, batch=own.batch, model=own.model),)


def _bridged(event: _Bridged) -> Order:
    """The order in an EventBridge event; its key arrives as it is."""
    image = _image(event.bucket, event.object.key, event.object)
    return Order(image=image, batch=image.batch)


def _image(bucket: _Bucket, key: str, sent: _NotifiedObject | _BridgedObject) -> ImageRef:
    if len(key.encode()) > KEY_LIMIT_BYTES:
        raise MessageUnreadable(f"the key has more than {KEY_LIMIT_BYTES:,} bytes, S3's limit: {_quoted(key)}")
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
