"""An engine serves only after it gave the golden logits, for many images and for one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from inference.archive.golden_pictures import GoldenPicture
from inference.engines.proof import prove
from inference.engines.seam import EngineFailed, Logits
from inference.images.pixels import Pixels

LOGITS = np.array([[1.0, -1.0], [2.0, 0.5], [-1.0, 0.0]], np.float32)
GOLDEN = tuple(GoldenPicture(np.full((4, 4, 3), at, np.uint8), row) for at, row in enumerate(LOGITS))


@dataclass
class ReusingItsMemory:
    """Answers with the golden logits, except for batches of `wrong`; each answer lies where the one before lay."""

    wrong: int = 0
    name: str = "openvino-fp32"

    def __post_init__(self) -> None:
        self.memory = np.empty((8, 2), np.float32)

    def logits(self, pixels: Pixels) -> Logits:
        answer = self.memory[: len(pixels)]
        answer[:] = LOGITS[pixels[:, 0, 0, 0]] + (len(pixels) == self.wrong)
        return answer


def test_an_engine_that_gives_the_golden_logits_is_proven() -> None:
    prove(ReusingItsMemory(), GOLDEN)


@pytest.mark.parametrize(
    ("wrong", "sentence"), [(3, "^its golden predictions are off"), (1, "^for one image at a time, its golden")]
)
def test_an_engine_that_is_wrong_for_many_images_or_for_one_is_not(wrong: int, sentence: str) -> None:
    with pytest.raises(EngineFailed, match=sentence):
        prove(ReusingItsMemory(wrong), GOLDEN)
