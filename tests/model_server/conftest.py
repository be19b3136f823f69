"""One unpacked archive for all tests of the model server, and photos to send to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.imagefile.pictures import jpeg
from tests.model_server.archives import write_unpacked


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_unpacked(tmp_path_factory.mktemp("unpacked") / "balls")


@pytest.fixture(scope="session")
def photos() -> list[bytes]:
    """Sixteen JPEGs of soft coloured noise in different sizes."""
    numbers = np.random.default_rng(0)
    noise = (numbers.integers(0, 256, (5, 5, 3), dtype=np.uint8) for _ in range(16))
    return [jpeg(Image.fromarray(pixels).resize((90 + 10 * n, 120))) for n, pixels in enumerate(noise)]
