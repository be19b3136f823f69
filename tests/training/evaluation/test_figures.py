"""Every figure is that of scikit-learn, or of a count by hand."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from torch import Tensor

pytestmark = pytest.mark.torch


def answers(seed: int, *, photos: int = 200, classes: int = 5, levels: int | None = None) -> tuple[Tensor, Tensor]:
    """Logits that know something of the labels; with `levels`, coarse ones, so that many are equal."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (photos,), generator=generator)
    logits = torch.randn(photos, classes, generator=generator) + torch.eye(classes)[labels]
    return (logits if levels is None else (logits * levels).round() / levels), labels


def test_top_1_and_top_3_count_photos() -> None:
    import torch

    from training.evaluation.figures import accuracy

    logits = torch.tensor([[4.0, 3, 2, 1], [4, 3, 2, 1], [4, 3, 2, 1], [4, 3, 2, 1]])
    labels = torch.tensor([0, 1, 2, 3])
    assert accuracy(logits, labels, 1).value == 0.25
    assert accuracy(logits, labels, 3).value == 0.75
    assert accuracy(logits, labels, 3).low < 0.75 < accuracy(logits, labels, 3).high
    assert accuracy(logits[:, :2], labels % 2, 3).value == 1.0  # two classes: the first three are all


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), photos=st.integers(1, 80), classes=st.integers(2, 8))
def test_averages_over_classes_are_those_of_scikit_learn(seed: int, photos: int, classes: int) -> None:
    from sklearn.metrics import log_loss, precision_recall_fscore_support

    from training.evaluation.figures import headlines

    logits, labels = answers(seed, photos=photos, classes=classes)
    found = headlines(logits, labels, resamples=10)
    predicted = logits.argmax(dim=1)
    present = np.unique(labels)
    reference = precision_recall_fscore_support(labels, predicted, labels=present, average="macro", zero_division=0)
    assert [one.value for one in (found.macro_precision, found.macro_recall, found.macro_f1)] == pytest.approx(
        reference[:3]
    )
    weighted = precision_recall_fscore_support(labels, predicted, labels=present, average="weighted", zero_division=0)
    assert [found.weighted_precision, found.weighted_recall, found.weighted_f1] == pytest.approx(weighted[:3])
    probabilities = logits.double().softmax(dim=1)
    assert found.loss.value == pytest.approx(log_loss(labels, probabilities, labels=range(classes)))


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), photos=st.integers(1, 80), levels=st.sampled_from([None, 1, 3]))
def test_scores_of_a_class_are_those_of_scikit_learn(seed: int, photos: int, levels: int | None) -> None:
    from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

    from training.evaluation.figures import best_of, class_scores

    logits, labels = answers(seed, photos=photos, classes=4, levels=levels)
    found = class_scores(logits, labels, ["a", "b", "c", "d"], temperature=0.7)
    predicted = best_of(logits, 1)[:, 0]
    reference = precision_recall_fscore_support(labels, predicted, labels=range(4), zero_division=0)
    logs = (logits.double() / 0.7).log_softmax(dim=1)
    for number, one in enumerate(found):
        assert (one.images, one.predicted) == (int((labels == number).sum()), int((predicted == number).sum()))
        if one.images == 0:
            assert (one.precision, one.recall, one.f1) == (None, None, None)
        else:
            assert (one.precision, one.recall, one.f1) == pytest.approx([part[number] for part in reference[:3]])
        if one.images in (0, photos):
            assert (one.roc_auc, one.average_precision) == (None, None)
        else:
            assert one.roc_auc == pytest.approx(roc_auc_score(labels == number, logs[:, number]))
            assert one.average_precision == pytest.approx(average_precision_score(labels == number, logs[:, number]))


def test_the_confusion_matrix_has_the_true_class_in_its_rows() -> None:
    import torch

    from training.evaluation.figures import confusion_of

    labels, predicted = torch.tensor([0, 0, 1, 2, 2, 2]), torch.tensor([0, 1, 1, 2, 2, 0])
    assert confusion_of(labels, predicted, 3).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]


def test_the_calibration_error_of_two_bins_by_hand() -> None:
    """Two predictions of 0.8, one right; two of 0.6, both right: gaps of 0.3 and 0.4, each for half of the photos."""
    import torch

    from training.evaluation.figures import BINS, calibration

    odds = torch.tensor([[0.8, 0.2], [0.8, 0.2], [0.6, 0.4], [0.6, 0.4]], dtype=torch.float64)
    found = calibration(odds.log(), torch.tensor([0, 1, 0, 0]), temperature=1.0)
    assert found.ece == pytest.approx(0.35)
    assert found.brier == pytest.approx((0.08 + 1.28 + 0.32 + 0.32) / 4)
    assert found.loss == pytest.approx(-np.log([0.8, 0.2, 0.6, 0.6]).mean())
    filled = [one for one in found.bins if one.images]
    assert len(found.bins) == BINS
    assert [(one.images, one.accuracy) for one in filled] == [(2, 1.0), (2, 0.5)]
    assert [one.confidence for one in filled] == pytest.approx([0.6, 0.8])
    assert all(one.low < (one.confidence or 0) <= one.high for one in filled)
    assert {one.accuracy for one in found.bins if not one.images} == {None}


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), temperature=st.floats(0.5, 5.0))  # under that scikit-learn clips
def test_brier_score_and_loss_are_those_of_scikit_learn(seed: int, temperature: float) -> None:
    from sklearn.metrics import brier_score_loss, log_loss

    from training.evaluation.figures import calibration

    logits, labels = answers(seed)
    found = calibration(logits, labels, temperature)
    odds = (logits.double() / temperature).softmax(dim=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that rows of odds do not add up to 1 in their last digit
        assert found.brier == pytest.approx(brier_score_loss(labels, odds.numpy(), scale_by_half=False))
        assert found.loss == pytest.approx(log_loss(labels, odds.numpy()), abs=1e-9)
    assert sum(one.images for one in found.bins) == len(labels)


def test_a_sure_prediction_lies_in_the_last_bin() -> None:
    import torch

    from training.evaluation.figures import calibration

    found = calibration(torch.tensor([[0.0, 90.0]]), torch.tensor([1]), temperature=1.0)
    assert found.bins[-1].images == 1
    assert found.ece == 0


def test_the_bootstrap_interval_is_the_normal_one_if_that_is_good() -> None:
    """Of the loss over many photos: mean plus or minus 1.96 standard errors; and the same seed gives the same."""
    from torch.nn.functional import cross_entropy

    from training.evaluation.figures import headlines

    logits, labels = answers(3, photos=2_000)
    found = headlines(logits, labels)
    error = cross_entropy(logits, labels, reduction="none").std().item() / len(labels) ** 0.5
    assert found.loss.low == pytest.approx(found.loss.value - 1.96 * error, abs=0.2 * error)
    assert found.loss.high == pytest.approx(found.loss.value + 1.96 * error, abs=0.2 * error)
    assert found.macro_f1.low < found.macro_f1.value < found.macro_f1.high
    assert found == headlines(logits, labels)


def test_the_bootstrap_draws_photos_and_not_classes() -> None:
    """Drawn one by one in plain Python: the same intervals, but for the draw."""
    from sklearn.metrics import f1_score

    from training.evaluation.figures import headlines

    logits, labels = answers(4, photos=120, classes=3)
    truth, predicted = labels.numpy(), logits.argmax(dim=1).numpy()
    numbers = np.random.default_rng(9)
    draws = (numbers.integers(0, len(truth), len(truth)) for _ in range(600))
    reference = np.quantile([f1_score(truth[one], predicted[one], average="macro") for one in draws], (0.025, 0.975))
    found = headlines(logits, labels)
    assert [found.macro_f1.low, found.macro_f1.high] == pytest.approx(reference, abs=0.015)


def test_work_in_pieces_is_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    from training.evaluation import figures as counting

    logits, labels = answers(5)
    whole = counting.calibration(logits, labels, 1.3), counting.headlines(logits, labels, resamples=20)
    monkeypatch.setattr(counting, "AT_ONCE", 350)
    assert (counting.calibration(logits, labels, 1.3), counting.headlines(logits, labels, resamples=20)) == whole


@pytest.mark.parametrize("classes", [2, 1000])
def test_two_classes_and_a_thousand_are_counted_alike(classes: int) -> None:
    from training.evaluation.figures import calibration, class_scores, headlines

    logits, labels = answers(6, photos=1_500, classes=classes)
    names = [str(number) for number in range(classes)]
    found = class_scores(logits, labels, names, temperature=1.0)
    assert sum(one.images for one in found) == sum(one.predicted for one in found) == 1_500
    assert 0 < headlines(logits, labels, resamples=50).macro_f1.value < 1
    assert 0 < calibration(logits, labels, 1.0).ece < 1


def test_the_interval_of_macro_f1_holds_its_figure_if_classes_are_small() -> None:
    import torch

    from training.evaluation.figures import headlines

    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(300).repeat(5)
    wrong = torch.rand(len(labels), generator=generator) < 0.25
    answered = torch.where(wrong, torch.randint(0, 300, labels.shape, generator=generator), labels)
    found = headlines(torch.nn.functional.one_hot(answered, 300).float(), labels)
    for figure in (found.macro_f1, found.macro_recall):
        assert figure.low < figure.value < figure.high
        assert (figure.low + figure.high) / 2 == pytest.approx(figure.value, abs=0.005)


@pytest.mark.parametrize("right", [True, False])
def test_macro_figures_of_predictions_that_are_all_alike_are_no_certainty(right: bool) -> None:
    import torch

    from training.evaluation.figures import headlines

    labels = torch.arange(2).repeat(20)
    found = headlines(torch.eye(2)[labels if right else 1 - labels], labels)
    for figure in (found.macro_precision, found.macro_recall, found.macro_f1):
        assert (figure.low, figure.high) == pytest.approx((0.912, 1.0) if right else (0.0, 0.088), abs=0.001)
