"""Mixed photos have targets that are exactly what is in them; what is erased or noisy is otherwise as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.training.augment.photos import config_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

pytestmark = pytest.mark.torch

STD = (0.25, 0.5, 1.0)


def seeded(seed: int = 0) -> torch.Generator:
    import torch

    return torch.Generator().manual_seed(seed)


def levels(count: int = 8, side: int = 16) -> Tensor:
    """Image i is i + 1 everywhere; so its mean shows which images are in it, and how much of each."""
    import torch

    return torch.arange(1.0, count + 1).view(-1, 1, 1, 1).expand(-1, 3, side, side).contiguous()


def mixed(
    images: Tensor, generator: torch.Generator | None = None, **settings: Any  # noqa: ANN401
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Every image is its own class."""
    import torch

    from training.augment.mixing import Mixing

    mixing = Mixing(config_of(**settings), len(images), STD)
    return mixing(images, torch.arange(len(images)), generator or seeded())


def kept_of(targets: Tensor) -> float:
    """How much of the first image is itself."""
    return float(targets[0, 0])


def test_without_settings_images_and_labels_come_back_as_they_are() -> None:
    import torch

    images = levels()
    found, targets = mixed(images)
    assert found is images
    assert targets.equal(torch.arange(8))
    assert targets.dtype == torch.int64


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
@pytest.mark.parametrize("count", [8, 5])
def test_the_shares_of_the_classes_are_those_of_the_pixels(kind: str, count: int) -> None:
    import torch

    images = levels(count)
    settings: dict[str, Any] = {kind: 1.0}
    for seed in range(50):
        found, targets = mixed(images, seeded(seed), **settings)
        in_it = targets @ torch.arange(1.0, count + 1)
        torch.testing.assert_close(found.mean(dim=(1, 2, 3)), in_it)
        torch.testing.assert_close(targets.sum(dim=1), torch.ones(count))
        assert (targets > 0).sum(dim=1).max() <= 2, "targets come unsmoothed"


def test_cutmix_pastes_one_rectangle_at_the_same_place_of_every_image() -> None:
    for seed in range(50):
        found, targets = mixed(levels(side=20), seeded(seed), cutmix=1.0)
        pasted = found != levels(side=20)
        assert (pasted == pasted[:1, :1]).all()
        rows, columns = pasted[0, 0].any(dim=1), pasted[0, 0].any(dim=0)
        assert pasted[0, 0].equal(rows[:, None] & columns[None])
        assert rows.sum() * columns.sum() == round(400 * (1 - kept_of(targets)))
        for side in (rows.int(), columns.int()):
            assert side.diff().abs().sum() <= 2, "a rectangle has no gaps"


def test_mixup_keeps_as_much_as_its_alpha_lets_it() -> None:
    even = [kept_of(mixed(levels(), seeded(seed), mixup=1.0)[1]) for seed in range(300)]
    assert np.quantile(even, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.1)
    extreme = [kept_of(mixed(levels(), seeded(seed), mixup=0.1)[1]) for seed in range(300)]
    assert np.mean([min(kept, 1 - kept) < 0.1 for kept in extreme]) > 0.6


def test_with_both_on_every_other_batch_is_cut() -> None:
    found = [mixed(levels(), seeded(seed), mixup=0.8, cutmix=1.0)[0] for seed in range(300)]
    cut = [bool((images == images.round()).all()) for images in found]
    assert 0.4 < np.mean(cut) < 0.6


def test_mix_share_is_the_share_of_batches_that_are_mixed_and_all_have_shares_as_targets() -> None:
    import torch

    targets = [mixed(levels(), seeded(seed), mixup=1.0, mix_share=0.25)[1] for seed in range(300)]
    whole = [bool(it.equal(torch.eye(8))) for it in targets]
    assert 0.68 < np.mean(whole) < 0.82
    assert {it.dtype for it in targets} == {torch.float32}


def test_erasing_leaves_the_rest_of_the_image_as_it_was() -> None:
    """A rectangle of zeros, 2 to 33 % of the area, at most about three times as long as wide."""
    images = levels(400, side=64)
    found, _ = mixed(images, random_erasing=1.0)
    assert ((found == 0) | (found == images)).all()
    holes = (found == 0)[:, 0]
    assert (found == 0).equal(holes[:, None].expand_as(found))
    rows, columns = holes.any(dim=2), holes.any(dim=1)
    assert holes.equal(rows[:, :, None] & columns[:, None])
    high, wide = rows.sum(dim=1), columns.sum(dim=1)
    area = (high * wide) / 64**2
    assert 0.015 < area.min() < 0.04
    assert 0.31 < area.max() < 0.35
    assert 0.25 < (high / wide).min() < 0.4
    assert 2.5 < (high / wide).max() < 4


def test_erased_rectangles_lie_anywhere_and_differ_from_image_to_image() -> None:
    found, _ = mixed(levels(400, side=64), random_erasing=1.0)
    often = (found == 0)[:, 0].float().mean(dim=0)
    assert min(edge.max() for edge in (often[0], often[-1], often[:, 0], often[:, -1])) > 0, "up to the edges"
    quarters = often.view(2, 32, 2, 32).mean(dim=(1, 3))
    assert quarters.max() - quarters.min() < 0.05
    assert len({tuple(hole.flatten().tolist()) for hole in (found == 0)[:50, 0]}) == 50


def test_as_many_images_are_erased_as_is_set() -> None:
    found, _ = mixed(levels(600), random_erasing=0.25)
    assert 0.19 < (found == 0).any(dim=(1, 2, 3)).float().mean() < 0.31


def test_noise_counts_in_the_range_of_a_pixel_whatever_images_were_divided_by() -> None:
    import torch

    images = levels(32, side=32)
    found, _ = mixed(images, noise=0.1)
    noise = found - images
    torch.testing.assert_close(noise.std(dim=(0, 2, 3)), torch.tensor([0.4, 0.2, 0.1]), rtol=0.03, atol=0)
    assert noise.mean().abs() < 0.01
    assert not noise[0].equal(noise[1])


EVERYTHING: dict[str, Any] = {"mixup": 0.8, "cutmix": 1.0, "mix_share": 0.7, "random_erasing": 0.5, "noise": 0.05}


def test_equal_generators_draw_equal_batches_and_what_is_given_stays_as_it_is() -> None:
    images = levels()
    one, other = seeded(), seeded()
    for _ in range(10):
        first, second = mixed(images, one, **EVERYTHING), mixed(images, other, **EVERYTHING)
        assert first[0].equal(second[0])
        assert first[1].equal(second[1])
    assert images.equal(levels())


def test_what_is_switched_on_does_not_change_how_much_is_drawn() -> None:
    one, other = seeded(), seeded()
    mixed(levels(), one, **EVERYTHING)
    mixed(levels(), other)
    assert one.get_state().equal(other.get_state())


def test_noise_does_not_change_what_else_is_drawn() -> None:
    still = EVERYTHING | {"noise": 0.0}
    assert all(
        mixed(levels(), seeded(seed), **still)[1].equal(mixed(levels(), seeded(seed), **EVERYTHING)[1])
        for seed in range(10)
    )


def test_nothing_is_read_back_from_the_device() -> None:
    """A tensor on the meta device has no values to read. Noise has no generator there."""
    import torch

    from training.augment.mixing import Mixing

    mixing = Mixing(config_of(**EVERYTHING | {"noise": 0.0}), 5, STD)
    images = torch.empty(4, 3, 16, 16, device="meta")
    labels = torch.empty(4, dtype=torch.int64, device="meta")
    for seed in range(10):
        found, targets = mixing(images, labels, seeded(seed))
        assert (found.device.type, tuple(found.shape), tuple(targets.shape)) == ("meta", (4, 3, 16, 16), (4, 5))
