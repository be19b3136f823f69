"""A batch at once does what is done to one photo at a time, and draws the same wherever it runs."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tests.training.augment.photos import Cut, config_of, map_of_places, squared
from training.errors import WrongInput

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from training.augment.batched import Draws

pytestmark = pytest.mark.torch

EVERYTHING: dict[str, Any] = {
    "min_scale": 0.3, "max_aspect": 1.5, "rotation": 10.0, "zoom": 0.1, "shift": 0.1, "brightness": 0.3,
    "contrast": 0.3, "saturation": 0.3, "horizontal_flip": 0.5, "vertical_flip": 0.5,
}  # fmt: skip


def seeded(seed: int = 0) -> torch.Generator:
    import torch

    return torch.Generator().manual_seed(seed)


def augmented(
    photos: Tensor, aspect: float = 1.0, generator: torch.Generator | None = None, **changed: object
) -> Tensor:
    import torch

    from training.augment.batched import BatchAugment

    augment = BatchAugment(config_of(**changed), torch.device("cpu"))
    return augment(photos, torch.full((len(photos),), aspect), generator or seeded())


def noise(count: int = 4, side_px: int = 32) -> Tensor:
    import torch

    return torch.randint(0, 256, (count, 3, side_px, side_px), dtype=torch.uint8, generator=seeded(9))


def draws_of(count: int = 2, **chosen: list[list[float]]) -> Draws:
    """Draws that are all in the middle, but for the `chosen` rows."""
    import torch

    from training.augment.batched import ROWS, Draws

    rows = {name: torch.full((rows, count), 0.5) for name, rows in ROWS.items()}
    return Draws(**rows | {name: torch.tensor(values) for name, values in chosen.items()})


def test_equal_generators_draw_equal_crops_and_the_next_ones_are_others() -> None:
    one, other = seeded(), seeded()
    first = augmented(noise(), 1.3, one, **EVERYTHING)
    assert first.equal(augmented(noise(), 1.3, other, **EVERYTHING))
    assert not first.equal(augmented(noise(), 1.3, one, **EVERYTHING))


def test_what_is_switched_on_does_not_change_how_much_is_drawn() -> None:
    one, other = seeded(), seeded()
    augmented(noise(), 1.3, one, **EVERYTHING)
    augmented(noise(), 1.3, other)
    assert one.get_state().equal(other.get_state())


def test_crops_are_float_as_large_as_training_wants_them_and_the_photos_stay_as_they_are() -> None:
    import torch

    photos = noise(side_px=40)
    before = photos.clone()
    crops = augmented(photos, 1.3, train_size=24, **EVERYTHING)
    assert (crops.dtype, tuple(crops.shape)) == (torch.float32, (4, 3, 24, 24))
    assert crops.min() >= 0
    assert crops.max() <= 255
    assert photos.equal(before)


def test_nothing_is_read_back_from_the_device() -> None:
    """A tensor on the meta device has no values to read."""
    import torch

    from training.augment.batched import BatchAugment

    meta = torch.device("meta")
    augment = BatchAugment(config_of(train_size=16, **EVERYTHING), meta)
    crops = augment(torch.empty(4, 3, 40, 40, dtype=torch.uint8, device=meta), torch.empty(4, device=meta), seeded())
    assert (crops.device.type, tuple(crops.shape)) == ("meta", (4, 3, 16, 16))


def test_without_random_crops_a_square_photo_is_left_as_it_is() -> None:
    import torch

    photos = noise()
    torch.testing.assert_close(augmented(photos), photos.float(), atol=0.02, rtol=0)


def test_without_random_crops_a_wide_photo_is_cut_to_its_middle_square() -> None:
    found = [Cut.of(crop) for crop in augmented(squared(map_of_places(128, 64), 64, 2), 2.0)]
    for cut in found:
        assert (cut.x, cut.y, cut.width, cut.height) == pytest.approx((0.5, 0.5, 0.5, 1.0), abs=0.02)


@pytest.mark.parametrize(("setting", "dimension"), [("horizontal_flip", 3), ("vertical_flip", 2)])
def test_a_flip_is_as_likely_as_it_is_set(setting: str, dimension: int) -> None:
    import torch

    photos = noise(200)
    always: dict[str, Any] = {setting: 1.0}
    flipped = augmented(photos, **always)
    torch.testing.assert_close(flipped, photos.flip(dimension).float(), atol=0.02, rtol=0)
    seldom: dict[str, Any] = {setting: 0.25}
    some = augmented(photos, **seldom)
    mirrored = (some - photos.flip(dimension)).abs().amax(dim=(1, 2, 3)) < 1
    assert 0.15 < mirrored.float().mean() < 0.35


def test_a_shift_alone_moves_by_whole_pixels_and_mirrors_the_edge() -> None:
    import torch

    photos = noise(40)
    crops = augmented(photos, shift=0.1)  # of 32: up to 3 pixels
    wide = torch.from_numpy(np.pad(photos.numpy(), ((0, 0), (0, 0), (3, 3), (3, 3)), mode="symmetric")).float()
    moves = set()
    for crop, room in zip(crops, wide, strict=True):
        fits = [
            (x, y) for x in range(7) for y in range(7) if (room[:, y : y + 32, x : x + 32] - crop).abs().max() < 0.1
        ]
        assert len(fits) == 1
        moves.add(fits[0])
    assert {x for x, _ in moves} == {y for _, y in moves} == set(range(7))


@pytest.mark.parametrize("aspect", [1.0, 5.0, 0.2])
def test_what_comes_in_over_the_edges_is_the_photo_itself_and_never_black(aspect: float) -> None:
    photos = squared(Image.new("RGB", (64, 64), (250, 200, 150)), 40, 30)
    crops = augmented(photos, aspect, rotation=180.0, zoom=0.6, shift=0.5, min_scale=0.3)
    assert (crops - photos[:, :, :32, :32].float()).abs().max() < 0.1


def test_a_photo_is_rotated_in_its_own_proportions() -> None:
    """Twice as wide as high: after a quarter turn, what was at its end lies twice as far out as it is high."""
    import torch

    from training.augment.batched import geometry

    quarter = draws_of(turn=[[1.0, 0.0], [0.5, 0.5]])
    matrices = geometry(config_of(rotation=90.0, max_aspect=2.0), quarter, torch.tensor([2.0, 2.0]), 64)
    expected = torch.tensor([[[0.0, 0.5, 0.0], [-2.0, 0.0, 0.0]], [[0.0, -0.5, 0.0], [2.0, 0.0, 0.0]]])
    torch.testing.assert_close(matrices, expected, atol=1e-6, rtol=0)


def test_a_zoom_goes_in_and_out() -> None:
    import torch

    from training.augment.batched import geometry

    drawn = draws_of(turn=[[0.5, 0.5], [0.0, 1.0]])
    matrices = geometry(config_of(zoom=0.2), drawn, torch.ones(2), 64)
    torch.testing.assert_close(matrices[:, 0, 0], torch.tensor([1 / 0.8, 1 / 1.2]))


@pytest.mark.parametrize(("width", "height"), [(64, 64), (96, 64), (48, 120)])
def test_crops_are_spread_as_those_of_one_photo_at_a_time(width: int, height: int) -> None:
    import torch

    from training.augment.single import training_transform

    settings: dict[str, Any] = {
        "min_scale": 0.35, "max_aspect": 4 / 3, "horizontal_flip": 0.3, "shift": 0.05, "zoom": 0.1,
    }  # fmt: skip
    photo = map_of_places(width, height)
    random.seed(0)
    torch.manual_seed(0)
    transform = training_transform(config_of(**settings))
    alone = [Cut.of(transform(photo)) for _ in range(400)]
    together = [Cut.of(crop) for crop in augmented(squared(photo, 64, 400), width / height, **settings)]
    for what in ("x", "y", "width", "height", "area"):
        quantiles = [np.quantile([getattr(cut, what) for cut in cuts], (0.1, 0.5, 0.9)) for cuts in (alone, together)]
        apart = 0.15 if what == "width" else 0.08  # the width jumps at the flips
        assert np.abs(quantiles[0] - quantiles[1]).max() < apart, (what, quantiles)
    flips = [np.mean([cut.width < 0 for cut in cuts]) for cuts in (alone, together)]
    assert flips == pytest.approx([0.3, 0.3], abs=0.08)


def test_a_fine_pattern_that_is_shrunk_becomes_grey_and_no_coarser_pattern() -> None:
    import torch

    stripes = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    stripes[..., ::2] = 255
    crops = augmented(stripes)
    assert (crops - 127.5).abs().max() < 1


def test_colours_are_torchvisions_brightness_then_contrast_then_saturation() -> None:
    import torch
    from torchvision.transforms.v2 import functional

    from training.augment.batched import Draws

    photos = noise(6)
    amounts: dict[str, Any] = {"brightness": 0.4, "contrast": 0.6, "saturation": 1.5}
    found = augmented(photos, **amounts)
    drawn = Draws.of(seeded(), 6, torch.device("cpu")).colour
    for number, photo in enumerate(photos):
        expected = photo / 255
        for row, (name, amount) in zip(drawn[:, number].tolist(), amounts.items(), strict=True):
            low = max(0.0, 1 - amount)
            factor = low + row * (1 + amount - low)
            expected = getattr(functional, f"adjust_{name}")(expected, factor)
        torch.testing.assert_close(found[number], expected * 255, atol=0.1, rtol=0)


def test_rand_augment_is_refused_with_what_to_do() -> None:
    with pytest.raises(WrongInput, match=r"rand_augment = 'trivial'.*cache=memory"):
        augmented(noise(), rand_augment="trivial")
