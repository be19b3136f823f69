"""What the steps of an epoch are given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.training.fitting.fits import a_fit

if TYPE_CHECKING:
    from torch import Tensor

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("kept", [{"cache": "device"}, {"cache": "memory"}, {"cache": "memory", "workers": 1}])
def test_augmentation_ends_while_loader_workers_live_on(photos: Path, tmp_path: Path, kept: dict[str, object]) -> None:
    """The first of two epochs has crops as ever, the last one those of a training that only crops and flips."""
    import torch

    augmented: dict[str, object] = {**kept, "rotation": 40, "brightness": 0.5}
    ending = _two_epochs(photos, tmp_path / "ending", **augmented, augment_off_epochs=1)
    always = _two_epochs(photos, tmp_path / "always", **augmented)
    never = _two_epochs(photos, tmp_path / "never", **kept)
    assert torch.equal(ending[0], always[0])
    assert torch.equal(ending[1], never[1])
    assert not torch.equal(ending[0], never[0])
    assert not torch.equal(ending[1], always[1])


def test_erasing_and_mixing_end_with_the_rest(photos: Path, tmp_path: Path) -> None:
    import torch

    ends = {"mix_off_epochs": 1, "augment_off_epochs": 1}
    fit, _ = a_fit(photos, tmp_path, epochs=2, cutmix=1.0, random_erasing=1.0, noise=0.1, **ends)
    images, labels = torch.ones(4, 3, 32, 32), torch.tensor([0, 1, 2, 0])
    found, targets = fit.mixing(1)(images, labels, torch.Generator())
    assert not found.equal(images)
    assert targets.shape == (4, 3)
    found, targets = fit.mixing(2)(images, labels, torch.Generator())
    assert found.equal(images)
    assert targets.equal(labels)


def _two_epochs(photos: Path, folder: Path, **settings: object) -> list[Tensor]:
    """All pixels of each epoch, in its order."""
    import torch

    folder.mkdir()
    fit, _ = a_fit(photos, folder, epochs=2, **settings)
    return [torch.cat([pixels for pixels, _ in fit.batches.epoch(epoch, 0)]) for epoch in (1, 2)]
