"""An engine gives the golden logits again, or a sentence says by how much it does not."""

from __future__ import annotations

import numpy as np
import pytest

from inference.archive.golden_pictures import GoldenPicture, disagreement

GOLDEN = tuple(
    GoldenPicture(np.zeros((8, 8, 3), np.uint8), np.array(logits, np.float32)) for logits in ([1, 2, 3], [3, 2, 1])
)


def test_equal_logits_agree_in_every_precision() -> None:
    for precision in ("fp32", "bf16", "int8"):
        assert disagreement(np.array([[1, 2, 3], [3, 2, 1]], np.float32), GOLDEN, f"torch-{precision}") is None


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (np.float32(1), r"answers with () numbers, expected (2, 3)"),
        (np.zeros((2, 4), np.float32), "answers with (2, 4) numbers, expected (2, 3)"),
        (np.zeros((2, 3, 1, 1), np.float32), "answers with (2, 3, 1, 1) numbers"),
        (np.full((2, 3), np.nan, np.float32), "numbers that are not finite"),
        (np.array([[3, 2, 1], [1, 2, 3]], np.float32), "off by 2.449 of the logits' spread, 0.01 is allowed"),
    ],
)
def test_other_logits_of_any_shape_do_not(found: np.typing.NDArray[np.float32], words: str) -> None:
    assert words in str(disagreement(np.asarray(found), GOLDEN, "torch-fp32"))
