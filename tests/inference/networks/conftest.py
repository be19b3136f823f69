"""One thread, as in the tests of augmentation."""

from __future__ import annotations

from tests.training.augment.conftest import _one_thread

__all__ = ["_one_thread"]
