"""Whether an engine computes the network that was packaged: it must give the golden logits."""

from __future__ import annotations

import numpy as np

from inference.archive.golden_pictures import GoldenPicture, disagreement
from inference.engines.seam import Engine, EngineFailed


def prove(engine: Engine, golden: tuple[GoldenPicture, ...]) -> None:
    """Raise EngineFailed unless the engine gives the golden logits for the golden pictures, together and one by one.

    Graphs that take any number of images may be wrong for one: OpenVINO's EfficientViM is.
    """
    pictures = np.ascontiguousarray([picture.pixels for picture in golden])
    try:
        together = engine.logits(pictures).copy()  # an engine may answer into the same memory again
        alone = np.concatenate([engine.logits(pictures[at : at + 1]).copy() for at in range(len(pictures))])
    except (RuntimeError, AssertionError, ValueError) as error:
        raise EngineFailed(
            f"it cannot take its own preprocessing's size: {' '.join(str(error).split())[:300]}"
        ) from error
    for found, how in ((together, ""), (alone, "for one image at a time, ")):
        if problem := disagreement(found, golden, engine.name):
            raise EngineFailed(f"{how}{problem}")
