"""Which labels are doubted, by features that leave no doubt."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from training.audit.audit import audit
from training.audit.files import AuditedFile
from training.audit.labels import check_labels
from training.audit.measuring import PhotoFacts
from training.audit.records import LabelCheck
from training.errors import WrongInput

pytestmark = pytest.mark.torch

CLASSES = ("amber", "jade", "slate")
PER_CLASS = 30


def pictures(labels: list[str]) -> list[PhotoFacts]:
    return [
        PhotoFacts(
            file=AuditedFile(Path(f"{place}.jpg"), f"{place}.jpg", label, "train"), sha256=str(place), format="JPEG", mode="RGB",
            turned=False, colourless=False, width=8, height=8, hash=place, mirrored_hash=place,
            grey=np.zeros((32, 32), np.uint8), colour=np.zeros((8, 8, 3), np.uint8),
            black=0, white=255, spread=50, edges=1,
        )
        for place, label in enumerate(labels)
    ]  # fmt: skip


def true_labels() -> list[str]:
    return [label for label in CLASSES for _ in range(PER_CLASS)]


def features() -> NDArray[np.float32]:
    """A cloud for every class, far from the others."""
    clouds = np.repeat(np.eye(3, 6, dtype=np.float32) * 12, PER_CLASS, axis=0)
    return clouds + np.random.default_rng(0).normal(size=clouds.shape).astype(np.float32)


def checked(labels: list[str], groups: list[int] | None = None) -> LabelCheck:
    return check_labels(features(), pictures(labels), groups or list(range(len(labels))), model="a network")


def test_true_labels_are_not_doubted() -> None:
    check = checked(true_labels())
    assert check.suspects == ()
    assert check.agreement == 1.0
    assert check.images == 90


def test_swapped_labels_are_found_with_the_right_suggestion() -> None:
    labels = true_labels()
    for place in (3, 11, 45, 77):
        labels[place] = CLASSES[(CLASSES.index(labels[place]) + 1) % 3]
    suspects = {suspect.path: suspect for suspect in checked(labels).suspects}
    assert set(suspects) == {"3.jpg", "11.jpg", "45.jpg", "77.jpg"}
    assert all(suspect.suggested == true_labels()[int(path[:-4])] for path, suspect in suspects.items())
    assert all(suspect.given_probability < suspect.suggested_probability for suspect in suspects.values())


def test_the_most_doubtful_come_first() -> None:
    labels = true_labels()
    labels[3], labels[40] = "jade", "slate"
    given = [suspect.given_probability for suspect in checked(labels).suspects]
    assert given == sorted(given)


def test_copies_with_the_same_wrong_label_do_not_vouch_for_each_other() -> None:
    labels = true_labels()
    copies = (3, 4, 5, 6)
    for place in copies:
        labels[place] = "slate"
    groups = [100 if place in copies else place for place in range(len(labels))]
    same = features()
    same[list(copies)] = same[3]
    check = check_labels(same, pictures(labels), groups, model="a network")
    assert {suspect.path for suspect in check.suspects} == {f"{place}.jpg" for place in copies}


def test_a_class_with_too_few_photos_is_left_out_and_named() -> None:
    labels = true_labels()
    labels[-3:] = ["rare"] * 3
    check = checked(labels)
    assert check.without == ("rare",)
    assert check.images == 87


def test_a_single_class_cannot_be_doubted() -> None:
    check = checked(["amber"] * 90)
    assert check.skipped is not None
    assert "two classes" in check.skipped


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    save_file(timm.create_model("test_resnet").state_dict(), tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


def test_an_audit_with_weights_checks_every_photo_that_can_be_read(drawn: Path, weights: Path) -> None:
    report = audit(str(drawn), model="test_resnet", pretrained=str(weights), threads=1).report
    assert report.labels.skipped is None
    assert report.labels.model == "test_resnet"
    assert report.labels.images == 33
    assert re.fullmatch(r"all [\d,]+ parameters of the body come from these weights", str(report.labels.weights))
    assert report.counts()["label"] == len(report.labels.suspects)
    assert audit(str(drawn), model="test_resnet", pretrained=str(weights), labels=False).report.labels.skipped


def test_weights_of_another_network_are_an_error_before_a_photo_is_read(drawn: Path, weights: Path) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    with pytest.raises(
        WrongInput, match=r"do not fit|holds none of resnet18's weights|lacks \d+ of resnet18's tensors"
    ):
        audit(str(drawn), model="resnet18", pretrained=str(weights), on_progress=never)


def test_missing_weights_are_an_error_before_a_photo_is_read(drawn: Path) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    with pytest.raises(WrongInput, match="no such file"):
        audit(str(drawn), pretrained="nowhere.safetensors", on_progress=never)
