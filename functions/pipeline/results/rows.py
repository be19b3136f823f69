"""A result as a row of the table, and back; the one place where a probability is a Decimal."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pipeline.contracts import Classification, Row, stamp
from pipeline.results.index_keys import index_keys

SIX_PLACES = Decimal("0.000001")

Item = dict[str, Any]


def row_of(
    classification: Classification, result_key: str, result_version_id: str | None,
    result_line: int | None = None, result_range: str | None = None,
) -> Item:  # fmt: skip
    """The attributes of the row, numbers as Decimal; what does not apply is absent, and so are keys of indexes it is not in."""
    image, best, rejected = classification.image, classification.best, classification.rejected
    attributes: Item = {
        "image": image.uri,
        "model": classification.model.ref,
        "status": classification.status,
        "label": best.label if best else None,
        "probability": _decimal(best.probability) if best else None,
        "top3": _top3(classification),
        "batch": classification.batch,
        "uncertain": classification.uncertain,
        "review": "rejected" if rejected else "uncertain" if classification.uncertain else None,
        "rejected_code": rejected.code if rejected else None,
        "rejected_reason": rejected.reason if rejected else None,
        "model_sha256": classification.model.archive_sha256,
        "size_bytes": Decimal(image.size_bytes),
        "etag": image.etag,
        "version_id": image.version_id,
        "sequencer": image.ordinal,
        "result_key": result_key,
        "result_version_id": result_version_id,
        "result_line": None if result_line is None else Decimal(result_line),
        "result_range": result_range,
        "classified_at": stamp(classification.classified_at),
        "schema_version": classification.schema_version,
    }
    row = {name: value for name, value in attributes.items() if value is not None}
    return row | index_keys(row)


def record_of(item: Mapping[str, Any]) -> Row:
    """The row as a record, numbers as float and int; attributes that a newer writer added are ignored."""
    return Row.model_validate(item)


def _top3(classification: Classification) -> list[Item]:
    return [{"label": step.label, "probability": _decimal(step.probability)} for step in classification.predictions]


def _decimal(probability: float) -> Decimal:
    return Decimal(repr(probability)).quantize(SIX_PLACES)
