"""`MAR-INF/MANIFEST.json`: what torch-model-archiver tells TorchServe of an archive; it must agree with model.json."""

from __future__ import annotations

from collections.abc import Collection

from inference.archive.documents import Document
from inference.archive.engine_files import file_name
from inference.archive.errors import AGAIN, ModelRefused, short
from inference.archive.model_file import ModelFile

MANIFEST = "MAR-INF/MANIFEST.json"
RUNTIMES = ("python", "python3")
KEYS = {"modelName", "modelVersion", "handler", "configFile"}  # others are pickles, or packages to be installed


def check_manifest(manifest: Document, model: ModelFile, files: Collection[str]) -> None:
    """Raise ModelRefused unless the manifest names this model, and as its handler and configuration files of the archive."""
    if manifest.has("runtime") and manifest.field("runtime", str) not in RUNTIMES:
        raise manifest.wrong("runtime", "python")
    about = manifest.field("model", dict)
    if strange := sorted(about.keys() - KEYS):
        raise ModelRefused(
            f"{MANIFEST}: model.{short(strange[0])[1:-1]} is {short(about[strange[0]])}, and archives of Podium have none: nothing in "
            f"them is unpickled or installed.",
            AGAIN,
        )
    for key, expected in (("modelName", model.name), ("modelVersion", model.version)):
        if manifest.field(f"model.{key}", str) != expected:
            raise manifest.wrong(f"model.{key}", f"{short(expected)}, as model.json says")
    for key in ("handler", "configFile"):
        if manifest.has(f"model.{key}"):
            name = file_name(manifest, manifest.field(f"model.{key}", str).partition(":")[0])
            if name not in files and f"{name}.py" not in files:
                raise manifest.wrong(f"model.{key}", "a file of the archive")
