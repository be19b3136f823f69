"""How a run came about, as its folder tells it: settings, epochs, photos.

model.json, config.yaml, resolved.yaml, split.csv, metrics.jsonl, unreadable.csv -> Story
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from training.model.model_file import ModelFile, read_model_file
from training.settings.config import read_yaml

Row = Mapping[str, str]


@dataclass(frozen=True)
class Story:
    """How a run came about: its settings, its epochs, its photos. Empty where an older run kept no such file."""

    folder: Path
    model: ModelFile
    config: Mapping[str, Any]
    resolved: Mapping[str, Any]  # what `auto` became
    reasons: Mapping[str, str]  # and why
    epochs: tuple[Mapping[str, Any], ...]
    split: tuple[Row, ...]  # split, label, path, sha256
    set_aside: tuple[Row, ...]  # path, code, reason

    @property
    def name(self) -> str:
        """The run folder's name."""
        return self.folder.resolve().name

    @cached_property
    def learnt(self) -> frozenset[str]:
        """sha256 of every photo that it learnt from."""
        return frozenset(row["sha256"] for row in self.split if row["split"] == "train")

    @cached_property
    def counts(self) -> dict[str, dict[str, int]]:
        """Photos per class and split, with every class of the model and every split that there is."""
        splits = list(dict.fromkeys(row["split"] for row in self.split))
        counts = {label: dict.fromkeys(sorted(splits, key=_usual_order), 0) for label in self.model.classes}
        for row in self.split:
            counts.setdefault(row["label"], dict.fromkeys(splits, 0))[row["split"]] += 1
        return counts

    @property
    def kept_epoch(self) -> int | None:
        """The epoch whose weights were kept."""
        return max((int(line["epoch"]) for line in self.epochs if line.get("best")), default=None)


def read_story(folder: Path) -> Story:
    """What the run folder keeps about its training. Raises TrainingError where it is no finished run."""
    return Story(
        folder=folder,
        model=read_model_file(folder),
        config=_yaml(folder / "config.yaml"),
        resolved=_yaml(folder / "resolved.yaml"),
        reasons=_reasons(folder / "resolved.yaml"),
        epochs=_lines(folder / "metrics.jsonl"),
        split=read_rows(folder / "split.csv"),
        set_aside=read_rows(folder / "unreadable.csv"),
    )


def _usual_order(split: str) -> tuple[int, str]:
    usual = ("train", "validation", "test")
    return (usual.index(split) if split in usual else len(usual), split)


def _yaml(path: Path) -> Mapping[str, Any]:
    return read_yaml(path) if path.is_file() else {}


def _reasons(path: Path) -> Mapping[str, str]:
    """The comments over the settings of a YAML file, by setting."""
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return {
        line.split(":")[0]: reason[2:] for reason, line in pairwise(lines) if reason.startswith("# ") and ":" in line
    }


def _lines(path: Path) -> tuple[Mapping[str, Any], ...]:
    if not path.is_file():
        return ()
    return tuple(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())


def read_rows(path: Path) -> tuple[Row, ...]:
    """The lines of a CSV file, by its header; none where there is no such file.

    A file's name that is no UTF-8 keeps its bytes, as lone surrogates: a page spells them.
    """
    if not path.is_file():
        return ()
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return tuple(csv.DictReader(file))
