"""The model card, MODEL_CARD.md: written from the files of a run folder alone; the same run gives the same bytes.

model.json, config.yaml, pretrained.json, split.csv, metrics.jsonl, evaluation/*/evaluation.json -> facts -> card.md.j2
"""

from __future__ import annotations

import html
import json
import math
import re
import shlex
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from training.evaluation.records import Evaluation, read_evaluation_in
from training.files import write_atomically
from training.model.provenance import read_pretrained
from training.report import words
from training.report.headline import worst_first
from training.report.matrix import ConfusedPair, confused_pairs
from training.report.page import render_text
from training.report.settings import versions_of
from training.report.story import Story, read_story

CARD_FILE = "MODEL_CARD.md"
INDEXED = ("validation", "test")  # in the machine-readable index; others are of training photos or of a person's data
WEAKEST, SMALLEST, CONFUSED = 3, 3, 3
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")  # of batch norm: kept, but not learnt
MARKS = re.compile(r"([\\`*\[\]|#])")


@dataclass(frozen=True)
class Licence:
    """The licence of the initial weights: Hugging Face's identifier, None if there is none, and a sentence."""

    word: str | None
    sentence: str
    base: str | None  # the model on the hub


def write_card(run_folder: Path) -> Path:
    """Write MODEL_CARD.md into the run folder, with every evaluation in it, and return its path.

    Raises TrainingError if it is no finished run.
    """
    path = run_folder / CARD_FILE
    write_atomically(card_of(read_story(run_folder), read_evaluations(run_folder)), path)
    return path


def read_evaluations(run_folder: Path) -> list[Evaluation]:
    """Every evaluation of a run that can be read: test, validation, train, then those of a person's data."""
    folders = (run_folder / "evaluation").glob("*/")
    order = {"test": 0, "validation": 1, "train": 2}
    found = filter(None, map(read_evaluation_in, folders))
    return sorted(found, key=lambda one: (order.get(one.split, len(order)), one.split))


def card_of(story: Story, evaluations: list[Evaluation]) -> str:
    """The card's text; evaluations of other weights than the run's are left out."""
    model = story.model
    evaluations = [one for one in evaluations if one.weights_sha256 == model.weights.sha256]
    licence = licence_of(str(story.config.get("pretrained", "none")), model.architecture)
    facts = {
        "front": front_matter(story, evaluations, licence),
        "story": story,
        "model": model,
        "licence": licence,
        "parameters": parameter_count(story.folder / model.weights.file),
        "pretrained": read_pretrained(story.folder),
        "data_name": data_name(story),
        "splits": list(next(iter(story.counts.values()), {})),
        "evaluations": evaluations,
        "chosen": {one.split: list(words.who_chose(one, story.kept_epoch, _monitor(story))) for one in evaluations},
        "limits": list(limits(story, evaluations[0])) if evaluations else [],
        "smallest": smallest(story),
        "versions": versions_of(story),
        "command": f"podium train {shlex.quote(f'{story.name}/config.yaml')} run={shlex.quote(f'{story.name}-again')}",
        "escape": escape,
    }
    return render_text("card.md.j2", facts).replace(words.SPACE, " ")


def front_matter(story: Story, evaluations: list[Evaluation], licence: Licence) -> str:
    """The part of a card that Hugging Face reads, as YAML."""
    fields: dict[str, Any] = {
        "library_name": "timm",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "timm", "podium"],
        "metrics": ["accuracy", "f1"],
    }
    fields |= {"license": licence.word} if licence.word else {}
    fields |= {"base_model": licence.base} if licence.base else {}
    results = [_result(story, one) for one in evaluations if one.split in INDEXED]
    if results:
        fields["model-index"] = [{"name": story.name, "results": results}]
    return yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=1000).strip()


def _result(story: Story, evaluation: Evaluation) -> dict[str, Any]:
    figures = (
        ("accuracy", "top-1", evaluation.top1),
        ("accuracy", "top-3", evaluation.top3),
        ("f1", "macro F1", evaluation.macro_f1),
    )
    return {
        "task": {"type": "image-classification"},
        "dataset": {"type": "imagefolder", "name": data_name(story), "split": evaluation.split},
        "metrics": [{"type": kind, "name": name, "value": round(one.value, 4)} for kind, name, one in figures],
    }


def licence_of(pretrained: str, architecture: str) -> Licence:
    """The licence of the initial weights, as far as it is known."""
    if pretrained == "none":
        return Licence(None, "Trained from scratch: no one else's weights are in it.", None)
    if pretrained != "hub":
        name = escape(Path(pretrained).name)
        return Licence(
            "unknown", f"It began with the weights in a file, {name}, whose licence is not known to podium.", None
        )
    from timm.models import get_pretrained_cfg

    known = get_pretrained_cfg(architecture)
    word = known.license if known else None
    base = known.hf_hub_id if known else None
    if not word:
        return Licence("unknown", "It began with timm's weights, for which timm names no licence.", base)
    return Licence(word, f"It began with timm's weights ({base or architecture}), which timm lists under {word}.", base)


def data_name(story: Story) -> str:
    """The data's name, without the folders of somebody's machine."""
    source = Path(str(story.config.get("data", "unknown")))
    return f"{source.parent.name}/{source.name}" if source.name == "train" and source.parent.name else source.name


def parameter_count(weights: Path) -> int | None:
    """Learnt numbers in a safetensors file, by its header; None if the file is gone."""
    if not weights.is_file():
        return None
    with weights.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header: dict[str, Mapping[str, Any]] = json.loads(file.read(length))
    learnt = (entry for name, entry in header.items() if not name.endswith((*BUFFERS, "__metadata__")))
    return sum(int(math.prod(entry["shape"])) for entry in learnt)


def limits(story: Story, evaluation: Evaluation) -> Iterator[str]:
    """The weaknesses in the first of its evaluations; a sentence each."""
    weak = [row for row in worst_first(evaluation) if row.f1 is not None][:WEAKEST]
    named = ", ".join(f"{escape(row.label)} (F1 {words.percent(row.f1)}, {words.photos(row.images)})" for row in weak)
    yield f"Weakest classes on the {words.evaluated_photos(evaluation)}: {named}."
    pairs = confused_pairs(evaluation.confusion, story.model.classes, CONFUSED)
    if pairs:
        yield f"Most confused: {'; '.join(_confused(pair) for pair in pairs)}."


def _confused(pair: ConfusedPair) -> str:
    return escape(pair.sentence.removesuffix("."))


def smallest(story: Story) -> str:
    """The classes with fewest photos to learn from."""
    counts = sorted((counts.get("train", 0), label) for label, counts in story.counts.items())[:SMALLEST]
    return ", ".join(f"{escape(label)} ({words.photos(count)})" for count, label in counts)


def escape(text: object) -> str:
    """A user's text as plain Markdown text: no tags, links, tables or lines of its own."""
    return MARKS.sub(r"\\\1", html.escape(" ".join(str(text).split()), quote=False))


def _monitor(story: Story) -> str:
    return str(story.config.get("monitor", "top1"))
