"""How a run was trained, as its folder says: settings, epochs, photos.

model.json, config.yaml, resolved.yaml, split.csv, metrics.jsonl, unreadable.csv -> Story
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from training.data.tables import read_rows
from training.errors import TrainingError, why
from training.model.model_file import WHOLE_RUN, ModelFile, read_model_file
from training.photos.set_aside import SetAside, read_set_aside
from training.settings.config import read_yaml

Row = Mapping[str, str]


@dataclass(frozen=True)
class Story:
    """How a run was trained: its settings, its epochs, its photos."""

    folder: Path
    model: ModelFile
    config: Mapping[str, Any]
    resolved: Mapping[str, Any]  # what `auto` became
    reasons: Mapping[str, str]  # and why
    epochs: tuple[Mapping[str, Any], ...]
    split: tuple[Row, ...]  # split, label, path, sha256
    set_aside: tuple[SetAside, ...]

    @property
    def name(self) -> str:
        """The run folder's name."""
        return self.folder.resolve().name

    @cached_property
    def learnt(self) -> frozenset[str]:
        """sha256 of every photo that the model learnt from."""
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
    """How the run in this folder was trained. Raises TrainingError if it is no finished run."""
    return Story(
        folder=folder,
        model=read_model_file(folder),
        config=read_yaml(folder / "config.yaml"),
        resolved=read_yaml(folder / "resolved.yaml"),
        reasons=_reasons(folder / "resolved.yaml"),
        epochs=_epochs(folder / "metrics.jsonl"),
        split=read_rows(folder / "split.csv"),
        set_aside=read_set_aside(folder),
    )


def _usual_order(split: str) -> tuple[int, str]:
    usual = ("train", "validation", "test")
    return (usual.index(split) if split in usual else len(usual), split)


def _epochs(path: Path) -> tuple[dict[str, Any], ...]:
    try:
        return tuple(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path} cannot be read ({why(error)}). {WHOLE_RUN}") from error


def _reasons(path: Path) -> Mapping[str, str]:
    """The comments over the settings of a YAML file, by setting."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {
        line.split(":")[0]: reason[2:] for reason, line in pairwise(lines) if reason.startswith("# ") and ":" in line
    }
