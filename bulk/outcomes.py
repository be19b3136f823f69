"""What became of each image, as a table: the pipeline's result in columns, or why there is none. No I/O.

Every image is `classified`, `rejected` (no model can read it) or `failed` (S3 or an operator must change something first).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

import pyarrow as pa

from pipeline.contracts import Classification, ImageRef

RowState = Literal["stored", "already", "superseded"]

OUTCOMES = pa.schema(
    [
        ("bucket", pa.string()),
        ("key", pa.string()),
        ("version_id", pa.string()),
        ("etag", pa.string()),
        ("size_bytes", pa.int64()),
        ("status", pa.string()),
        ("label", pa.string()),
        ("probability", pa.float64()),
        ("top3", pa.list_(pa.struct([("label", pa.string()), ("probability", pa.float64())]))),
        ("uncertain", pa.string()),
        ("rejected_code", pa.string()),
        ("rejected_reason", pa.string()),
        ("failed_reason", pa.string()),
        ("model", pa.string()),
        ("model_sha256", pa.string()),
        ("engine", pa.string()),
        ("row", pa.string()),  # what became of the table's row; null without --rows
        ("classified_at", pa.timestamp("us", "UTC")),
        ("fetch_ms", pa.float64()),
        ("predict_ms", pa.float64()),
    ]
)


class Failure(NamedTuple):
    """An image without a result: ours to mend, and tried again when the job is."""

    image: ImageRef
    reason: str


class Outcome(NamedTuple):
    """What became of one image, and of its row."""

    result: Classification | Failure
    row: RowState | None = None


def table_of(outcomes: Sequence[Outcome]) -> pa.Table:
    """The outcomes, columns as OUTCOMES, in their order."""
    return pa.Table.from_pylist([_columns(it) for it in outcomes], schema=OUTCOMES)


def counts_of(table: pa.Table) -> dict[str, int]:
    """How many images are in each state."""
    return dict(Counter(table["status"].to_pylist()))


def _columns(outcome: Outcome) -> dict[str, object]:
    result = outcome.result
    facts: dict[str, object] = result.image.model_dump(include={"bucket", "key", "version_id", "etag", "size_bytes"})
    if isinstance(result, Failure):
        return facts | {"status": "failed", "failed_reason": result.reason}
    best, rejected = result.best, result.rejected
    return facts | {
        "status": result.status,
        "label": best.label if best else None,
        "probability": best.probability if best else None,
        "top3": [{"label": it.label, "probability": it.probability} for it in result.predictions],
        "uncertain": result.uncertain,
        "rejected_code": rejected.code if rejected else None,
        "rejected_reason": rejected.reason if rejected else None,
        "model": result.model.ref,
        "model_sha256": result.model.archive_sha256,
        "engine": result.model.engine,
        "row": outcome.row,
        "classified_at": result.classified_at,
        "fetch_ms": result.timings.fetch_ms,
        "predict_ms": result.timings.predict_ms,
    }
