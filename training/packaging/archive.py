"""The `.mar`: made by torch-model-archiver, then normalised, so that the same content is the same bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from inference.archive.errors import ModelRefused
from inference.archive.manifest import MANIFEST
from inference.archive.packed import read_packed
from training.errors import TrainingError
from training.model.model_file import MODEL_FILE, ModelFile

SUFFIXES = {".json", ".py", ".safetensors", ".yaml"}  # nothing that Python could unpickle
THE_PAST = (1980, 1, 1, 0, 0, 0)  # a ZIP's earliest time: with a fixed one, equal content is equal bytes


def archive(scratch: Path, facts: ModelFile, *, handler: Path, staged: Path, config_file: Path | None) -> Path:
    """Run torch-model-archiver into `scratch`; `staged` is a folder whose content comes in as it lies there.

    The archiver works in the folder TMPDIR/NAME, and first deletes what it finds there: it gets a TMPDIR of its own.
    """
    command = [sys.executable, "-m", "model_archiver.model_packaging", "--model-name", f"{facts.name}"]
    command += ["--version", f"{facts.version}", "--handler", str(handler.resolve()), "--extra-files", str(staged)]
    command += ["--export-path", str(scratch), "--archive-format", "zip-store", "--runtime", "python3"]
    command += ["--config-file", str(config_file.resolve())] if config_file else []
    temporary = scratch / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary.resolve())}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        last = (answer.stderr.strip() or "it printed nothing").splitlines()[-1]
        raise TrainingError(f"torch-model-archiver failed with exit code {answer.returncode}: {last}")
    return scratch / f"{facts.name}.mar"


def settle(archived: Path, facts: ModelFile) -> Path:
    """The same archive without what changes from run to run: order, times, permissions, the manifest's date."""
    settled = archived.with_suffix(".settled")
    with zipfile.ZipFile(archived) as source, zipfile.ZipFile(settled, "w", zipfile.ZIP_STORED) as target:
        for entry in sorted(source.namelist()):
            content = source.read(entry)
            if entry == MANIFEST:
                content = json.dumps({**json.loads(content), "createdOn": facts.created_at}, indent=1).encode()
            target.writestr(zipfile.ZipInfo(entry, THE_PAST), content)
    return settled


def check_archive(path: Path, facts: ModelFile) -> None:
    """TrainingError if the archive holds a forbidden kind of file, or lacks a part of `facts`."""
    with zipfile.ZipFile(path) as opened:
        engines = {name for entry in facts.engines for name in entry.files}
        names = (entry for entry in opened.namelist() if entry not in engines)
        strangers = sorted(entry for entry in names if Path(entry).suffix not in SUFFIXES)
        if strangers:
            raise TrainingError(
                f"{strangers[0]} may not be in an archive: only {', '.join(sorted(SUFFIXES))} may, so that nothing in it"
                " can be a pickle. Leave it out."
            )
        packed = ModelFile.model_validate_json(opened.read(MODEL_FILE))
    if packed != facts:
        raise TrainingError(f"{MODEL_FILE} in the archive is not the run's. Package again.")
    try:
        read_packed(path)
    except ModelRefused as error:  # nothing leaves here that no reader takes
        raise TrainingError(f"The archive would be refused: {error}") from error
