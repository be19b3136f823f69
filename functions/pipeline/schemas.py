"""The records' JSON Schemas, for whoever reads our results in another language.

PYTHONPATH=functions python -m pipeline.schemas docs/schema
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pipeline.contracts import (
    BatchSummary,
    Classification,
    ManifestPart,
    Record,
    Row,
    ServerAnswer,
    ServerAnswers,
    ServerRejection,
)

PUBLISHED: dict[str, type[Record]] = {
    "classification": Classification,
    "server-answer": ServerAnswer,
    "server-answers": ServerAnswers,
    "server-rejection": ServerRejection,
    "row": Row,
    "manifest-part": ManifestPart,
    "batch-summary": BatchSummary,
}


def schema_of(record: type[Record]) -> str:
    """The record's JSON Schema (2020-12), as it is written."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(dialect | record.model_json_schema(mode="serialization"), indent=2) + "\n"


def write_schemas(folder: Path) -> None:
    """Write every published schema into `folder`, one file each."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, record in PUBLISHED.items():
        (folder / f"{name}.json").write_text(schema_of(record), encoding="utf-8")


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
