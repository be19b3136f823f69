"""The loss is torch's own wherever torch has it, and the same for labels and for shares of classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from torch import Tensor

pytestmark = pytest.mark.torch

CLASSES = 5


@pytest.fixture
def logits() -> Tensor:
    import torch

    return torch.randn(64, CLASSES, generator=torch.Generator().manual_seed(0)) * 3


@pytest.fixture
def labels() -> Tensor:
    """Every class, but not equally often."""
    import torch

    return torch.randint(0, 100, (64,), generator=torch.Generator().manual_seed(1)).sqrt().long() // 2


@pytest.fixture
def weights() -> Tensor:
    import torch

    return torch.tensor([0.2, 0.5, 1.0, 1.3, 2.0])


def loss_of(logits: Tensor, targets: Tensor, **settings: Any) -> Tensor:  # noqa: ANN401 - Loss's own
    from training.fitting.losses import Loss

    found: Tensor = Loss(**settings)(logits, targets)
    return found


def as_shares(labels: Tensor) -> Tensor:
    from torch.nn.functional import one_hot

    return one_hot(labels, CLASSES).float()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_without_focus_it_is_torchs_cross_entropy(
    logits: Tensor, labels: Tensor, weights: Tensor, smoothing: float, weighted: bool
) -> None:
    import torch
    from torch.nn.functional import cross_entropy

    chosen = weights if weighted else None
    expected = cross_entropy(logits, labels, weight=chosen, label_smoothing=smoothing)
    torch.testing.assert_close(loss_of(logits, labels, smoothing=smoothing, weights=chosen), expected)


def test_shares_without_weights_are_torchs_cross_entropy_of_probabilities(logits: Tensor) -> None:
    import torch
    from torch.nn.functional import cross_entropy

    shares = torch.rand(64, CLASSES, generator=torch.Generator().manual_seed(2)).softmax(dim=1)
    expected = cross_entropy(logits, shares, label_smoothing=0.1)
    torch.testing.assert_close(loss_of(logits, shares, smoothing=0.1), expected)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_a_label_and_its_one_hot_shares_lose_the_same(
    logits: Tensor, labels: Tensor, weights: Tensor, gamma: float
) -> None:
    import torch

    settings = {"smoothing": 0.1, "gamma": gamma, "weights": weights}
    torch.testing.assert_close(loss_of(logits, labels, **settings), loss_of(logits, as_shares(labels), **settings))


def test_the_loss_of_mixed_targets_is_the_mix_of_the_losses(logits: Tensor, labels: Tensor) -> None:
    import torch

    one, other = as_shares(labels), as_shares(labels.flip(0))
    mixed = loss_of(logits, 0.3 * one + 0.7 * other, smoothing=0.1)
    expected = 0.3 * loss_of(logits, labels, smoothing=0.1) + 0.7 * loss_of(logits, labels.flip(0), smoothing=0.1)
    torch.testing.assert_close(mixed, expected)


def test_focus_multiplies_each_photos_loss_by_what_is_missing_of_its_probability(
    logits: Tensor, labels: Tensor
) -> None:
    import torch

    p = logits.softmax(dim=1).gather(1, labels[:, None]).squeeze(1)
    torch.testing.assert_close(loss_of(logits, labels, gamma=2.0), ((1 - p) ** 2 * -p.log()).mean())


def test_a_photo_of_which_it_is_sure_has_a_gradient_without_a_hole() -> None:
    """0 ** (gamma - 1) is infinite for a gamma below 1."""
    import torch

    logits = torch.tensor([[200.0, 0.0], [0.0, 1.0]], requires_grad=True)
    loss_of(logits, torch.tensor([0, 1]), gamma=0.5).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_half_precision_logits_lose_as_much_as_they_say_in_full(logits: Tensor, labels: Tensor) -> None:
    import torch

    half = logits.bfloat16()
    found = loss_of(half, labels, smoothing=0.1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, loss_of(half.float(), labels, smoothing=0.1))


@pytest.mark.parametrize(("ours", "timms"), [("inverse", "inv_freq"), ("effective", "effective_num")])
def test_class_weights_are_timms_and_one_on_average(tmp_path: Path, ours: str, timms: str, labels: Tensor) -> None:
    import torch
    from timm.loss.class_weights import compute_class_weights

    from training.fitting.losses import make_loss
    from training.settings.config import make_config

    config = make_config({"data": "photos", "run": tmp_path, "class_weights": ours, "focal_gamma": 1.5})
    made = make_loss(config, labels, CLASSES, torch.device("cpu"))
    expected = compute_class_weights(torch.bincount(labels, minlength=CLASSES), len(labels), method=timms)[1]
    assert made.weights is not None
    torch.testing.assert_close(made.weights, expected)
    assert made.weights.mean().item() == pytest.approx(1)
    assert (made.smoothing, made.gamma) == (config.label_smoothing, 1.5)


def test_rare_classes_weigh_more(tmp_path: Path) -> None:
    import torch

    from training.fitting.losses import make_loss
    from training.settings.config import make_config

    config = make_config({"data": "photos", "run": tmp_path, "class_weights": "inverse"})
    made = make_loss(config, torch.tensor([0] * 90 + [1] * 10), 2, torch.device("cpu"))
    assert made.weights is not None
    assert (made.weights[1] / made.weights[0]).item() == pytest.approx(9)
