"""From the archive to a classifier that answers alike in every process of the function."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from inference.archive.digest import content_sha256
from inference.archive.errors import AGAIN, ModelRefused
from inference.archive.model_file import ModelFile
from inference.archive.packed import unpack_engine
from inference.classifier import Classifier
from inference.engines.seam import Precision
from pipeline.telemetry import logger

ENGINE: Literal["openvino"] = "openvino"
THREADS = 1  # a function has two vCPUs, and the other one reads the next images


def load(fetch: Callable[[Path], Path]) -> Classifier:
    """Fetch the archive, take out what its engine loads, and verify it with its golden pictures.

    The engine keeps its files mapped, so the folder goes as soon as it is loaded. Raises ModelRefused if the archive
    cannot serve here, and what `fetch` raises.
    """
    with tempfile.TemporaryDirectory(prefix="podium-model-") as name:
        folder = Path(name)
        mar = fetch(folder)
        sha256 = content_sha256(mar)
        unpacked = folder / "unpacked"
        try:
            unpacked.mkdir()
            model = unpack_engine(mar, ENGINE, unpacked)
        except OSError as error:
            raise ModelRefused(
                f"It cannot be unpacked into {folder} ({error.strerror}).", "Make room there."
            ) from error
        mar.unlink()  # the disk is small
        return _loaded(unpacked, model, sha256)


def precisions_of(model: ModelFile) -> tuple[Precision, ...]:
    """In which precisions the archive is tried: int8 if it passed its gate when it was packaged, else, or if this CPU cannot, fp32.

    Never bf16: some of Lambda's hosts compute in it and some do not, and the answers would depend on the host.
    """
    held = {one for file in model.engines if file.engine == ENGINE for one in file.precisions}
    return ("int8", "fp32") if "int8" in held else ("fp32",)


def _loaded(folder: Path, model: ModelFile, sha256: str) -> Classifier:
    reasons = []
    for precision in precisions_of(model):
        try:
            return Classifier.load(
                folder, engine=ENGINE, precision=precision, threads=THREADS, archive_sha256=sha256, reference=False
            )
        except ModelRefused as refused:
            reasons.append(str(refused))
            logger.warning("precision not usable", precision=precision, reason=str(refused))
    raise ModelRefused(" ".join(dict.fromkeys(reasons)), AGAIN)
