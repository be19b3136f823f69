"""All figures of one run: the document that is written as JSON, and from which page and plot are made."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field
from typing import Any

OURS, TIMM, LIMIT = "ours", "timm", "limit"


@dataclass(frozen=True)
class Block:
    """Some steps of one trainer, in one round."""

    model: str
    trainer: str
    round: int
    images_per_s: float
    cores: float  # used by the trainer and its loader workers
    others_cores: float  # used by all other processes meanwhile


@dataclass(frozen=True)
class Ratio:
    """One trainer's speed as a share of another's: each round by itself, because the machine's speed changes."""

    median: float
    least: float
    most: float


@dataclass
class Run:
    """The figures of a run, filled while it goes on."""

    command: str
    began_at: str
    machine: dict[str, Any]
    versions: dict[str, str]
    turns: dict[str, int]  # how many rounds, and steps in each turn
    photos: dict[str, Any]
    timm_script: str | None  # the beginning of its sha256
    blocks: list[Block] = field(default_factory=list)
    settled: dict[str, dict[str, Any]] = field(default_factory=dict)  # by model: settings, why, seconds of reading
    skipped: list[str] = field(default_factory=list)  # models and trainers that were not measured, and why
    minutes: float = 0.0

    def document(self) -> dict[str, Any]:
        """The run as plain values, for JSON."""
        return asdict(self)

    @classmethod
    def of(cls, document: dict[str, Any]) -> Run:
        """The run that `document` was made from."""
        own = {name: document[name] for name in cls.__dataclass_fields__}
        return cls(**{**own, "blocks": [Block(**block) for block in document["blocks"]]})

    def config(self) -> dict[str, Any]:
        """The settings of the first model, which are those of all models except the name; empty if none was trained."""
        return next((dict(settled["config"]) for settled in self.settled.values()), {})

    def models(self) -> list[str]:
        """The models that were measured, in their order."""
        return list(dict.fromkeys(block.model for block in self.blocks))

    def of_trainer(self, model: str, trainer: str) -> list[Block]:
        """The trainer's blocks, round by round."""
        return [block for block in self.blocks if (block.model, block.trainer) == (model, trainer)]

    def images_per_s(self, model: str, trainer: str) -> float | None:
        """The median of its rounds; None if it was not measured."""
        found = [block.images_per_s for block in self.of_trainer(model, trainer)]
        return statistics.median(found) if found else None

    def ratio(self, model: str, trainer: str, other: str) -> Ratio | None:
        """The median over the rounds in which both were measured; None if there is none."""
        theirs = {block.round: block.images_per_s for block in self.of_trainer(model, other)}
        ratios = [
            block.images_per_s / theirs[block.round]
            for block in self.of_trainer(model, trainer)
            if block.round in theirs
        ]
        return Ratio(statistics.median(ratios), min(ratios), max(ratios)) if ratios else None
