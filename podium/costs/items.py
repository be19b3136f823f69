"""Bytes and units of a DynamoDB item, and what an index adds: by DynamoDB's own rules for sizes.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from pipeline.contracts import Classification, ImageRef, ModelFacts, Prediction, Rejection, Row, Timings
from pipeline.results.rows import row_of
from podium.planned.resources import Resource

WRITE_UNIT_BYTES = 1024
READ_UNIT_BYTES = 4096
ITEM_BYTES = 100  # that an index adds to each item's storage
COMMON_NAME = "incoming/monday-2026-11-30/IMG_00001.jpg"


def item_bytes(item: Mapping[str, Any]) -> int:
    """The size of an item as DynamoDB counts it."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def write_units(item: Mapping[str, Any], table: Resource) -> int:
    """Write request units of putting a new item: of the table, and of every index whose keys the item has."""
    units = math.ceil(item_bytes(item) / WRITE_UNIT_BYTES)
    return units * (1 + sum(1 for keys in index_keys(table) if keys <= item.keys()))


def stored_bytes(item: Mapping[str, Any], table: Resource) -> int:
    """Bytes that the item takes in the table and its indexes, which hold all of it."""
    indexes = sum(1 for keys in index_keys(table) if keys <= item.keys())
    return (item_bytes(item) + ITEM_BYTES) * (1 + indexes)


def index_keys(table: Resource) -> list[frozenset[str]]:
    """The key attributes of each index: an item without one of them is not in it."""
    return [
        frozenset(key["AttributeName"] for key in index["KeySchema"])
        for index in table.properties.get("GlobalSecondaryIndexes", ())
    ]


def item_of(row: Row) -> dict[str, Any]:
    """The item that the classify function wrote for a row, with the keys of its indexes, which no record has."""
    bucket, _, key = row.image.removeprefix("s3://").partition("/")
    name, _, version = row.model.rpartition("@")
    done = Classification(
        image=ImageRef(
            bucket=bucket, key=key, version_id=row.version_id, etag=row.etag, size_bytes=row.size_bytes, sequencer=row.sequencer
        ),
        batch=row.batch,
        status=row.status,
        predictions=tuple(Prediction(rank=n, **step.model_dump()) for n, step in enumerate(row.top3, 1)),
        uncertain=row.uncertain,
        rejected=Rejection(code=row.rejected_code, reason=row.rejected_reason or "") if row.rejected_code else None,
        model=ModelFacts(name=name, version=version, archive_sha256=row.model_sha256),
        timings=Timings(fetch_ms=0, predict_ms=0),
        classified_at=row.classified_at,
    )  # fmt: skip
    return row_of(done, row.result_key, row.result_version_id)


@cache
def common_row(*, uncertain: bool, key: str = COMMON_NAME) -> dict[str, Any]:
    """The row of an ordinary classified image, as the classify function writes it."""
    done = common_classification(uncertain=uncertain, key=key)
    return row_of(done, done.image.result_key(done.image.bucket), "W" * 32)


def common_classification(*, uncertain: bool, key: str = COMMON_NAME) -> Classification:
    """An ordinary image's result: names of usual length, three classes."""
    image = ImageRef(
        bucket="podium-input-123456789012-us-east-1", key=key, version_id="V" * 32, etag="e" * 32, size_bytes=95_000,
        sequencer="0" * 18,
    )  # fmt: skip
    steps = (("golf ball", 0.912345), ("tennis ball", 0.061234), ("table tennis ball", 0.021234))
    return Classification(
        image=image,
        batch=image.batch,
        status="classified",
        predictions=tuple(Prediction(label=label, probability=p, rank=n) for n, (label, p) in enumerate(steps, 1)),
        uncertain="best probability 0.912 is below 0.95" if uncertain else None,
        model=ModelFacts(name="classifier", version="1.0", archive_sha256="a" * 64, engine="openvino-int8"),
        timings=Timings(fetch_ms=51.234, predict_ms=221.123),
        classified_at=datetime(2026, 11, 30, 12, tzinfo=UTC),
    )


def _value_bytes(value: Any) -> int:  # noqa: ANN401 - whatever an attribute holds
    match value:
        case bool() | None:
            return 1
        case str():
            return len(value.encode())
        case bytes():
            return len(value)
        case int() | float() | Decimal():
            digits = len(Decimal(str(value)).normalize().as_tuple().digits)
            return math.ceil(digits / 2) + 1 + (value < 0)
        case Mapping():
            return 3 + sum(1 + len(str(name).encode()) + _value_bytes(it) for name, it in value.items())
        case Iterable():
            return 3 + sum(1 + _value_bytes(it) for it in value)
        case _:
            raise TypeError(f"DynamoDB has no type for {value!r}")
