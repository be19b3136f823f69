"""Torch resizes as Pillow does, but for rounding: the model server and a function without torch see the same picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inference.images.pixels import pillow_resize

pytestmark = pytest.mark.torch

ROUNDING = 2  # of 255
sides = st.integers(1, 260)


@settings(max_examples=150)
@given(sides, sides, st.integers(16, 128), st.integers(16, 128), st.sampled_from(["bilinear", "bicubic"]))
@example(260, 3, 37, 72, "bicubic")
@example(64, 64, 64, 64, "bilinear")
def test_a_picture_of_any_size_is_pillows_but_for_rounding(
    height: int, width: int, new_height: int, new_width: int, interpolation: str
) -> None:
    """Neighbours differ as much as they can without black and white, beside which `bicubic` overshoots."""
    from inference.engines.torch_resize import torch_resize

    picture = np.random.default_rng(0).integers(64, 191, (height, width, 3), dtype=np.uint8, endpoint=True)
    found = torch_resize(picture, new_height, new_width, interpolation)
    expected = pillow_resize(picture, new_height, new_width, interpolation)
    assert found.dtype == np.uint8
    assert found.shape == (new_height, new_width, 3)
    assert int(np.abs(found.astype(int) - expected).max()) <= ROUNDING


@settings(max_examples=100)
@given(sides, sides, st.integers(16, 128), st.integers(16, 128))
def test_black_beside_white_is_pillows_but_for_rounding_if_bilinear(
    height: int, width: int, new_height: int, new_width: int
) -> None:
    from inference.engines.torch_resize import torch_resize

    numbers = np.random.default_rng(1).integers(0, 2, (height, width, 3), dtype=np.uint8)
    found = torch_resize(numbers * 255, new_height, new_width, "bilinear")
    expected = pillow_resize(numbers * 255, new_height, new_width, "bilinear")
    assert int(np.abs(found.astype(int) - expected).max()) <= ROUNDING
