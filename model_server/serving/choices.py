"""Where the workers of a server record which engine all of them use. The proxy names the folder; no torch, no TorchServe."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

CHOICES = "PODIUM_ENGINE_CHOICES"  # in a worker's environment


def choices_folder(unpacked: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of the records for the archive that TorchServe unpacked.

    The proxy's outlives a restart. TorchServe alone unpacks an archive once for all its workers, into a folder of a new name
    at each start: the record lies beside that folder, because the archive's digest counts all that lies in it.
    """
    named = environment.get(CHOICES)
    return Path(named) if named else unpacked.with_name(f"{unpacked.name}-engine")
