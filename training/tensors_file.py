"""Tensors in a file of safetensors, whose errors are those of any file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

_ERRNO = re.compile(r"\(os error (\d+)\)")


def save_tensors(tensors: Mapping[str, Tensor], path: Path, facts: Mapping[str, str] | None = None) -> None:
    """Write tensors, none of which shares its memory with another, and facts beside them. Raises OSError."""
    try:
        save_file(dict(tensors), path, dict(facts) if facts is not None else None)
    except SafetensorError as error:  # its text has the number of what was an error of the machine
        found = _ERRNO.search(str(error))
        if found is None:
            raise
        number = int(found[1])
        raise OSError(number, os.strerror(number), str(path)) from error
