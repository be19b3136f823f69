"""The page of recipes: the settings beside each recipe's own, and the scaled cost."""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import recipes
from training.settings.recipes import read_recipe, recipe_names


def options(weights: Path | None = None) -> argparse.Namespace:
    return argparse.Namespace(set=["threads=1"], hours=0.1, weights=weights)


@pytest.mark.parametrize(
    ("name", "settings", "weights"),
    [
        ("cnn", ["threads=1"], "random, as the recipe says"),
        ("dogs-resnet50", ["threads=1", "pretrained=none"], "random"),
        ("best", ["threads=1", "hours=0.1", "pretrained=none"], "random"),
        ("mobilenetv2", ["threads=1", "pretrained=w.safetensors"], "ImageNet"),
    ],
)
def test_a_recipe_starts_from_weights_that_are_at_hand(name: str, settings: list[str], weights: str) -> None:
    assert recipes.settings_beside(read_recipe(name), options(Path("w.safetensors"))) == (settings, weights)


def test_every_recipe_is_measured_once_and_its_epochs_are_scaled_to_many_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """36 seconds of a core for 40 photos are 4,500 for 5,000."""
    for kind in ("photos", "cifar"):
        for number in range(3):
            (tmp_path / kind / "a").mkdir(parents=True, exist_ok=True)
            (tmp_path / kind / "a" / f"{number}.jpg").write_bytes(b"a photo")
    calls: list[tuple[str, ...]] = []

    def podium(*words: str) -> dict[str, Any]:
        calls.append(words)
        if words[0] == "train":
            model = {"architecture": "resnet50", "data": {"train_images": 40}}
            return {"run": "r", "model": model, "epochs": [{}, {}], "seconds": 7.0}
        return {"images": 8, "split": "test", "top1": {"value": 0.5, "low": 0.2, "high": 0.8}}

    spent = itertools.cycle(
        [SimpleNamespace(ru_utime=10.0, ru_stime=1.0), SimpleNamespace(ru_utime=45.0, ru_stime=2.0)]
    )
    monkeypatch.setattr("resource.getrusage", lambda _: next(spent))
    monkeypatch.setattr(recipes, "podium", podium)
    arguments = ["--photos", str(tmp_path / "photos"), "--cifar", str(tmp_path / "cifar"), "--out", str(tmp_path)]
    for _ in range(2):  # the second time there is nothing to do
        recipes.main([*arguments, "--photos-per-class", "2"])
    assert [words[1] for words in calls if words[0] == "train"] == list(recipe_names())
    [row] = [row for row in json.loads((tmp_path / "recipes.json").read_text())["rows"] if row["recipe"] == "cnn"]
    assert (row["photos"], row["epochs"], row["cpu_s"], row["many_hours"]) == (40, 2, 36.0, 1.25)
    page = (tmp_path / "recipes.md").read_text()
    assert "| `cnn` |" in page
    assert "50.0% (20.0% to 80.0%)" in page
