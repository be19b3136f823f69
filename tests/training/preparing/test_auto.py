"""`auto` becomes a number, with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.conftest import tiny_config

pytestmark = pytest.mark.torch

MB = 1_000_000


@pytest.mark.parametrize(("photos", "size"), [(100_000, 512), (10_239, 256), (700, 32), (200, 8), (20, 8)])
def test_a_batch_leaves_enough_updates_an_epoch_whatever_fits_into_the_memory(photos: int, size: int) -> None:
    from training.preparing.auto import batch_size_within

    found, reason = batch_size_within(600 * MB, MB, photos)
    assert found == size
    assert (f"{photos} photos want 20 updates" in reason) == (size < 512)


def test_a_batch_fits_into_the_memory_that_is_free() -> None:
    from training.preparing.auto import batch_size_within

    assert batch_size_within(100 * MB, MB, 100_000)[0] == 64
    assert batch_size_within(MB, MB, 100_000)[0] == 8


def test_threads_are_those_that_torch_is_set_to_and_a_resumed_training_has_as_many(
    photos: Path, tmp_path: Path
) -> None:
    import torch

    from training.fine_tune import train
    from training.settings.settled import read_settled

    before = torch.get_num_threads()
    torch.set_num_threads(4)  # not the number of cores, as under torchrun
    try:
        train(tiny_config(photos, tmp_path / "run", epochs=1, threads=None))
    finally:
        torch.set_num_threads(before)
    assert read_settled(tmp_path / "run" / "resolved.yaml", tmp_path / "run").threads == 3
