"""Predictions in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from podium.shown.predictions import write

if TYPE_CHECKING:
    from training.prediction.predict import PhotoResult


def test_predictions_that_break_off_leave_no_half_a_file(tmp_path: Path) -> None:
    def predictions() -> Iterator[PhotoResult]:
        raise OSError("the disk is gone")
        yield

    with pytest.raises(OSError, match="disk"):
        write(predictions(), "jsonl", 3, tmp_path / "answers.jsonl")
    assert list(tmp_path.iterdir()) == []
