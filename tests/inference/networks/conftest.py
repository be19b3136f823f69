"""One thread, as where pictures are augmented."""

from __future__ import annotations

from tests.training.augment.conftest import _one_thread

__all__ = ["_one_thread"]
