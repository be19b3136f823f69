"""Which photos a step sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from training.fitting.order import BatchOrder

pytestmark = pytest.mark.torch


def test_seeds_differ_wherever_a_number_differs() -> None:
    from training.fitting.order import seed_of

    seeds = {seed_of(a, b, c) for a in range(10) for b in range(10) for c in range(10)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert seed_of(1, 2) != seed_of(2, 1)


def test_an_epoch_is_every_photo_once_and_another_epoch_another_order() -> None:
    import torch

    from training.fitting.order import epoch_order

    labels = torch.zeros(50, dtype=torch.int64)
    first, second = (epoch_order(labels, seed=0, epoch=epoch, balanced=False) for epoch in (1, 2))
    assert sorted(first.tolist()) == list(range(50))
    assert not torch.equal(first, second)
    assert torch.equal(first, epoch_order(labels, seed=0, epoch=1, balanced=False))


def test_a_balanced_epoch_draws_rare_classes_as_often_as_others() -> None:
    import torch

    from training.fitting.order import epoch_order

    labels = torch.tensor([0] * 950 + [1] * 50)
    drawn = labels[epoch_order(labels, seed=0, epoch=1, balanced=True)]
    assert len(drawn) == 1000
    assert drawn.float().mean().item() == pytest.approx(0.5, abs=0.06)


def test_what_is_left_from_a_step_on_is_the_end_of_the_whole_epoch() -> None:
    import torch

    from training.fitting.order import BatchOrder

    order = BatchOrder(torch.zeros(23, dtype=torch.int64), batch_size=4, seed=3, balanced=False)
    whole = list(order)
    order.start = 2
    assert list(order) == whole[2:]
    assert len(order) == len(whole) == 5  # the three that do not fill a batch wait for another epoch


def test_a_data_set_smaller_than_a_batch_is_one_batch() -> None:
    import torch

    from training.fitting.order import BatchOrder

    order = BatchOrder(torch.zeros(3, dtype=torch.int64), batch_size=4, seed=3, balanced=False)
    assert [len(batch) for batch in order] == [3]


def test_processes_share_the_batches_of_one() -> None:
    import torch

    from training.fitting.order import BatchOrder

    labels = torch.zeros(24, dtype=torch.int64)
    alone = list(BatchOrder(labels, batch_size=4, seed=3, balanced=False))
    shared = [list(BatchOrder(labels, batch_size=2, seed=3, balanced=False, rank=rank, size=2)) for rank in (0, 1)]
    assert [set(whole) for whole in alone] == [set(a) | set(b) for a, b in zip(*shared, strict=True)]


def balanced(**changed: int) -> BatchOrder:
    import torch

    from training.fitting.order import BatchOrder

    return BatchOrder(torch.tensor([0] * 30 + [1] * 2), seed=3, balanced=True, **{"batch_size": 4, **changed})


def test_a_photo_that_comes_twice_in_a_balanced_epoch_is_cropped_in_two_ways() -> None:
    drawn = [one for batch in balanced() for one in batch]
    assert len({index for index, _, _ in drawn}) < len(drawn) == len({seed for _, seed, _ in drawn})


def test_a_balanced_epoch_has_the_same_crops_from_any_step_on_and_in_every_number_of_processes() -> None:
    whole, rest = balanced(), balanced()
    rest.start = 3
    assert list(rest) == list(whole)[3:]
    parts = [list(balanced(batch_size=2, rank=rank, size=2)) for rank in (0, 1)]
    assert [set(batch) for batch in whole] == [set(a) | set(b) for a, b in zip(*parts, strict=True)]


def test_the_crops_of_a_shuffled_epoch_hang_on_the_photo_alone() -> None:
    """As they always have: a checkpoint of any version is resumed to the very weights."""
    import torch

    from training.fitting.order import BatchOrder, seed_of

    order = BatchOrder(torch.zeros(9, dtype=torch.int64), batch_size=4, seed=3, balanced=False)
    assert all(seed == seed_of(3, 1, index, 2) for batch in order for index, seed, _ in batch)
