"""Archives as torch-model-archiver writes them, without torch: whole ones, and ones that are changed entry by entry."""

from __future__ import annotations

import base64
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.inference.images.pictures import corners, jpeg
from tests.model_server.archives import CLASSES, model_document

WEIGHTS = b"no weights, but whoever reads the record alone does not look"
PLAIN = {
    "MAR-INF/MANIFEST.json": json.dumps(
        {
            "createdOn": "2026-11-21T00:00:00Z",
            "runtime": "python3",
            "model": {
                "modelName": "balls",
                "modelVersion": "1.0",
                "handler": "handler.py",
                "configFile": "model-config.yaml",
            },
            "archiverVersion": "0.12.0",
        }
    ).encode(),
    "model-config.yaml": b"batchSize: 8\n",
    "model.json": json.dumps(model_document("0" * 64)).encode(),
    "model.safetensors": WEIGHTS,
    "golden.json": json.dumps(
        {"pictures": [{"image": base64.b64encode(jpeg(corners())).decode(), "logits": [0.5] * len(CLASSES)}]}
    ).encode(),
    "handler.py": b"raise SystemExit('the code of an archive runs')\n",
    "inference/__init__.py": b"raise SystemExit('the code of an archive runs')\n",
}


def files(**changed: Any) -> dict[str, bytes]:  # noqa: ANN401 - JSON
    """The files of a whole archive; `changed` replaces top-level fields of model.json."""
    return PLAIN | {"model.json": json.dumps(model_document("0" * 64, **changed)).encode()}


def manifest(**changed: object) -> bytes:
    """A manifest in which fields of `model` are others; None takes one out."""
    document: dict[str, Any] = json.loads(PLAIN["MAR-INF/MANIFEST.json"])
    document["model"] = {name: value for name, value in (document["model"] | changed).items() if value is not None}
    return json.dumps(document).encode()


def write_mar(
    path: Path, content: Mapping[str, bytes] | Iterable[tuple[str | zipfile.ZipInfo, bytes]] = PLAIN,
    compression: int = zipfile.ZIP_DEFLATED,
) -> Path:  # fmt: skip
    """A `.mar` with these entries, in their order."""
    with zipfile.ZipFile(path, "w", compression) as opened:
        for entry, data in content.items() if isinstance(content, Mapping) else content:
            opened.writestr(entry, data)
    return path
