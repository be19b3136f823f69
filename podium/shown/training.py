"""Trainings and recipes as a person reads them: tables, sentences, documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import yaml
from rich.table import Table

if TYPE_CHECKING:
    from training.kfold import Folds
    from training.run import Run
    from training.settings.config import Claim, TrainConfig
    from training.settings.recipes import Recipe


def plain_table(*columns: str) -> Table:
    """The console's kind of table: no lines, bold heads."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    return table


def epochs_table(run: Run) -> Table:
    """A line for every epoch; the one whose weights were kept is green."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("epoch", "train loss", "train top-1", "loss", "top-1", "top-3", "images/s", "s"):
        table.add_column(column, justify="right")
    kept = max(line.epoch for line in run.epochs if line.best)
    for line in run.epochs:
        losses = (f"{line.train_loss:.3f}", f"{line.train_top1:.1%}", f"{line.loss:.3f}")
        shares = (f"{line.top1:.1%}", f"{line.top3:.1%}")
        speed = (f"{line.images_per_s:.0f}", f"{line.seconds:.1f}")
        table.add_row(str(line.epoch), *losses, *shares, *speed, style="green" if line.epoch == kept else None)
    return table


def run_notes(run: Run) -> Iterator[str]:
    """Sentences about a finished run: figures, threshold, files that were set aside."""
    from training.evaluation.intervals import share
    from training.photos.set_aside import UNREADABLE_FILE

    model, count = run.model, run.model.data.validation_images
    top1 = share(round(model.metrics.top1 * count), count)
    yield (
        f"top-1 {model.metrics.top1:.1%} (95 % interval {top1.low:.1%} to {top1.high:.1%}), top-3 {model.metrics.top3:.1%}"
        f" of {count} validation photos, after {run.seconds:.0f} s"
    )
    doubt = model.uncertainty
    if doubt.coverage == 0:
        yield f"no threshold makes answers {doubt.target_accuracy:.0%} right: every answer will be called uncertain."
    else:
        yield (
            f"answers under {doubt.threshold:.1%} are called uncertain: the other {doubt.coverage:.1%} are"
            f" {doubt.target_accuracy:.0%} right"
        )
    if run.set_aside:
        yield f"{run.set_aside} files could not be read and were set aside: {run.folder / UNREADABLE_FILE}"


def run_document(run: Run) -> dict[str, object]:
    """A finished run, for JSON."""
    return {
        "run": str(run.folder),
        "model": run.model.model_dump(mode="json"),
        "epochs": [asdict(line) for line in run.epochs],
        "set_aside": run.set_aside,
        "seconds": round(run.seconds, 1),
    }


def folds_table(folds: Folds) -> Table:
    """A line for every fold, and their mean with its interval."""
    table = plain_table("fold", "top-1", "top-3", "loss", "best epoch", "run")
    for number, run in enumerate(folds.runs, start=1):
        scores, best = run.model.metrics, max(line.epoch for line in run.epochs if line.best)
        table.add_row(
            str(number), f"{scores.top1:.1%}", f"{scores.top3:.1%}", f"{scores.loss:.3f}", str(best), str(run.folder)
        )
    table.add_row("mean", f"{folds.top1.mean:.1%}", f"{folds.top3.mean:.1%}", f"{folds.loss.mean:.3f}", style="bold")
    shares = [f"{spread.low:.1%} to {spread.high:.1%}" for spread in (folds.top1, folds.top3)]
    table.add_row("95 %", *shares, f"{folds.loss.low:.3f} to {folds.loss.high:.3f}", style="dim")
    return table


def folds_document(folds: Folds) -> dict[str, object]:
    """All folds, for JSON."""
    return {"run": str(folds.folder), **folds.spreads(), "folds": [run_document(run) for run in folds.runs]}


def recipes_table(recipes: Sequence[Recipe]) -> Table:
    """A line for every recipe."""
    table = plain_table("recipe", "model", "reported", "what it is")
    for recipe in recipes:
        claim = "" if recipe.claim is None else _claimed(recipe.claim)
        table.add_row(recipe.name, str(recipe.settings.get("model", "")), claim, recipe.about)
    return table


def recipe_document(recipe: Recipe) -> str:
    """One recipe as the YAML that it is."""
    document = {
        key: value for key, value in recipe.model_dump(mode="json").items() if value is not None and key != "name"
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def settings_table() -> Table:
    """A line for every setting, with its default and what it means."""
    from training.settings.config import TrainConfig

    table = plain_table("setting", "default", "meaning")
    for name, one in TrainConfig.model_fields.items():
        default = "(needed)" if one.is_required() else "none" if one.default is None else str(one.default)
        table.add_row(name, default, one.description)
    return table


def settings_document() -> dict[str, object]:
    """Every setting, for JSON: the record's own JSON Schema."""
    from training.settings.config import TrainConfig

    return TrainConfig.model_json_schema()


def plan_table(config: TrainConfig, plan: Mapping[str, object]) -> Table:
    """The plan of a training, and below it the settings that are not the usual ones."""
    table = plain_table("what", "value")
    for key, value in plan.items():
        if not isinstance(value, dict):
            for one in value if isinstance(value, list) else [value]:
                table.add_row(key.replace("_", " "), str(one))
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if value != field.default and name not in ("data", "run", "claim"):
            table.add_row(name, str(value), style="dim")
    return table


def _claimed(claim: Claim) -> str:
    return f"{claim.metric} {claim.value:.3f}" if claim.metric == "loss" else f"{claim.metric} {claim.value:.0%}"
