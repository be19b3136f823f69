"""TorchServe, imported once before any warning is an error."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ResourceWarning)  # TorchServe leaves its version.txt open
    import ts  # noqa: F401
