"""Which words mean a split: the usual ones, and no class that only resembles them."""

from __future__ import annotations

import pytest

from training.data.split_names import split_named, splits_among


@pytest.mark.parametrize(
    ("word", "split"),
    [
        ("train", "train"), ("TRAINING", "train"), ("trainval", "train"), ("Train Data", "train"), ("train-2017", "train"),
        ("val", "validation"), ("Valid", "validation"), ("VALIDATION_SET", "validation"), ("valImages", "validation"),
        ("test", "test"), ("Testing", "test"), ("test.dataset", "test"),
        ("dev", None), ("trained", None), ("trains", None), ("invalid", None), ("contest", None), ("testify", None),
        ("bullet train", None), ("train of thought", None), ("", None), ("datasetdataset" * 1000 + "x", None),
        ("train" + "dataset" * 1000 + "x", None), ("train" + "1" * 1000 + "x", None), ("train_" * 5000, None),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_a_word_in_a_table_means_a_split_or_none(word: str, split: str | None) -> None:
    assert split_named(word) == split


def test_splits_come_in_their_order_and_only_together_if_they_may_be_classes() -> None:
    assert list(splits_among({"Test": ["a"], "Train": ["a"], "Val": ["a"]})) == ["Train", "Val", "Test"]
    assert splits_among({"seg_train": ["a"], "seg_test": ["a"], "notes": []}) == {
        "seg_train": "train",
        "seg_test": "test",
    }
    assert splits_among({"Training": ["day"], "Running": ["day"]}) == {}
    assert splits_among({"steam_train": ["day"], "bullet_train": ["day"], "crash_test": ["day"]}) == {}
