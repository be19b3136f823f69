"""One photo at a time: what is drawn, how far it goes, and that nothing black comes in from outside."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.training.augment.photos import Cut, config_of, map_of_places
from training.errors import WrongInput

if TYPE_CHECKING:
    from torch import Tensor

pytestmark = pytest.mark.torch


def crops(photo: Image.Image, count: int = 1, **changed: object) -> list[Tensor]:
    """Crops of a photo; number i is drawn with seed i."""
    import torch

    from training.augment.single import training_transform

    transform = training_transform(config_of(**changed))
    made = []
    for seed in range(count):
        random.seed(seed)
        np.random.seed(seed)  # timm draws from it
        torch.manual_seed(seed)
        made.append(transform(photo))
    return made


def grain(width: int, height: int) -> Image.Image:
    numbers = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(numbers)


def plain(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height), (250, 200, 150))


def assert_same_but_for_rounding(crop: Tensor, expected: Image.Image) -> None:
    """torch and Pillow resize in two passes each, and round between them."""
    np.testing.assert_allclose(crop.permute(1, 2, 0).numpy().astype(int), np.asarray(expected).astype(int), atol=2)


def test_pixels_and_a_photo_of_them_give_the_same_crop() -> None:
    """From the cache and from files: the place of the photos changes no weight."""
    import torch

    from training.augment.single import training_transform

    for changed in ({}, {"rotation": 10.0}):
        transform = training_transform(config_of(min_scale=0.3, **changed))
        made = []
        for picture in (grain(50, 40), np.array(grain(50, 40))):
            torch.manual_seed(0)
            random.seed(0)
            made.append(transform(picture))
        assert torch.equal(*made)


def test_a_crop_is_uint8_and_as_large_as_training_wants_it() -> None:
    import torch

    [crop] = crops(grain(50, 40), min_scale=0.3, train_size=24)
    assert (crop.dtype, tuple(crop.shape)) == (torch.uint8, (3, 24, 24))


@pytest.mark.parametrize(("width", "height"), [(40, 40), (60, 40), (40, 90), (20, 16)])
def test_without_random_crops_it_is_the_middle_square_resized(width: int, height: int) -> None:
    photo = grain(width, height)
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    square = photo.crop((left, top, left + side, top + side)).resize((32, 32), Image.Resampling.BICUBIC)
    for crop in crops(photo, 3):
        assert_same_but_for_rounding(crop, square)


def test_without_random_crops_an_allowed_aspect_keeps_the_whole_photo() -> None:
    [crop] = crops(grain(48, 40), max_aspect=4 / 3)
    whole = grain(48, 40).resize((32, 32), Image.Resampling.BICUBIC)
    assert_same_but_for_rounding(crop, whole)


def test_the_same_seeds_draw_the_same_crop_and_others_another() -> None:
    settings: dict[str, object] = {
        "min_scale": 0.3, "rotation": 10.0, "zoom": 0.1, "shift": 0.1, "brightness": 0.3, "contrast": 0.3,
        "saturation": 0.3, "horizontal_flip": 0.5, "rand_augment": "rand-m9-mstd0.5",
    }  # fmt: skip
    first, second = (crops(grain(50, 40), 8, **settings) for _ in range(2))
    assert all(one.equal(other) for one, other in zip(first, second, strict=True))
    assert not any(one.equal(other) for one, other in pairwise(first))


def test_random_crops_keep_to_their_area_and_aspect() -> None:
    found = [Cut.of(crop) for crop in crops(map_of_places(96, 64), 200, min_scale=0.4, max_aspect=1.5)]
    areas = [cut.area for cut in found]
    aspects = [cut.width * 96 / (cut.height * 64) for cut in found]
    assert 0.36 < min(areas) < 0.5
    assert 0.9 < max(areas) < 1.05
    assert 1 / 1.6 < min(aspects) < 0.8
    assert 1.3 < max(aspects) < 1.6


@pytest.mark.parametrize(("setting", "dimension"), [("horizontal_flip", 2), ("vertical_flip", 1)])
def test_a_flip_is_as_likely_as_it_is_set(setting: str, dimension: int) -> None:
    photo = grain(32, 32)
    [still] = crops(photo)
    assert all(crop.equal(still.flip(dimension)) for crop in crops(photo, 3, **{setting: 1.0}))
    flipped = [crop.equal(still.flip(dimension)) for crop in crops(photo, 200, **{setting: 0.25})]
    assert 0.15 < np.mean(flipped) < 0.35


@pytest.mark.parametrize(("width", "height"), [(40, 40), (160, 30)])
def test_what_comes_in_over_the_edges_is_the_photo_itself_and_never_black(width: int, height: int) -> None:
    [still] = crops(plain(width, height))
    for crop in crops(plain(width, height), 20, rotation=180.0, zoom=0.6, shift=0.5):
        assert (crop.int() - still.int()).abs().max() <= 1


def test_a_shift_goes_as_far_as_it_is_set_in_every_direction() -> None:
    found = [Cut.of(crop) for crop in crops(map_of_places(64, 64), 100, shift=0.2)]
    for places in ([cut.x for cut in found], [cut.y for cut in found]):
        assert 0.28 < min(places) < 0.36
        assert 0.64 < max(places) < 0.72


def test_a_zoom_goes_in_and_out() -> None:
    widths = [Cut.of(crop).width for crop in crops(map_of_places(64, 64), 100, zoom=0.3)]
    assert 1 / 1.35 < min(widths) < 0.85
    assert 1.25 < max(widths) < 1 / 0.68


def test_a_rotation_goes_both_ways_as_far_as_it_is_set() -> None:
    leans = []
    for crop in crops(map_of_places(64, 64), 100, rotation=20.0):
        inner = crop[0, 8:-8, 8:-8].float()
        leans.append(float((inner[-1] - inner[0]).mean() / (inner[:, -1] - inner[:, 0]).mean()))
    angles = np.degrees(np.arctan(leans))
    assert -22 < min(angles) < -15
    assert 15 < max(angles) < 22


def test_colours_are_jittered_beside_rand_augment_too() -> None:
    grey = Image.new("RGB", (32, 32), (128, 128, 128))
    levels = [int(crop[0, 16, 16]) for crop in crops(grey, 60, brightness=0.5, rand_augment="rand-m9-p0")]
    assert 62 <= min(levels) < 80
    assert 176 < max(levels) <= 194


@pytest.mark.parametrize("words", ["rand-m9-mstd0.5", "rand-m9-mstd0.5-inc1", "augmix-m3-w3", "augmix", "trivial"])
def test_timms_words_and_torchvisions_augment_the_colours_and_shapes(words: str) -> None:
    photo = grain(40, 40)
    [still] = crops(photo)
    made = crops(photo, 10, rand_augment=words)
    assert all(crop.shape == (3, 32, 32) for crop in made)
    assert sum(not crop.equal(still) for crop in made) > 5


@pytest.mark.parametrize("words", ["rand-q9", "augmix-q1", "roulette"])
def test_words_that_timm_does_not_understand_are_named(words: str) -> None:
    with pytest.raises(WrongInput, match=f"rand_augment = '{words}'"):
        crops(grain(40, 40), rand_augment=words)
