"""Trainings and recipes as a person reads them: tables, sentences, documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

import yaml

from podium.shown.console import answer, command, notes, plain_table, print_json, print_next, print_note
from podium.shown.progress import OnCount, counting

if TYPE_CHECKING:
    from rich.table import Table

    from training.kfold import Folds
    from training.run import Run, TrainingProgress
    from training.settings.config import Claim, TrainConfig
    from training.settings.recipes import Recipe


def show_run(run: Run, *, as_json: bool) -> None:
    """A finished run on stdout; its notes, and the next command, on stderr."""
    if as_json:
        print_json(run_document(run))
    else:
        answer.print(epochs_table(run))
    for sentence in run_notes(run):
        print_note(sentence)
    print_next("evaluate", run.folder, then=f", or {command('package', run.folder)}")


def show_folds(folds: Folds, *, as_json: bool) -> None:
    """All folds of a k-fold training on stdout; the next command on stderr."""
    if as_json:
        runs = [run_document(run) for run in folds.runs]
        print_json({"run": str(folds.folder), **folds.spreads(), "folds": runs})
    else:
        answer.print(folds_table(folds))
    print_next("evaluate", folds.runs[0].folder)


def show_plan(config: TrainConfig, plan: dict[str, object], *, as_json: bool) -> None:
    """The plan of a training on stdout."""
    if as_json:
        print_json(plan)
    else:
        answer.print(plan_table(config, plan))
    print_note("nothing was trained. next: the same without --dry-run")


def show_recipe(recipe: Recipe, *, as_json: bool) -> None:
    """One recipe, whole, on stdout."""
    if as_json:
        print_json(recipe)
        return
    answer.print(recipe_document(recipe), soft_wrap=True, end="")
    print_next("train", recipe.name, "DATA")


def show_recipes(recipes: Sequence[Recipe], *, as_json: bool) -> None:
    """All recipes on stdout."""
    if as_json:
        print_json(recipes)
        return
    answer.print(recipes_table(recipes))
    print_next("train", "RECIPE", "DATA", then=", or podium recipes RECIPE to see one whole")


def show_settings(*, as_json: bool) -> None:
    """Every setting of a training on stdout; as JSON, the record's JSON Schema."""
    from training.settings.config import TrainConfig

    print_json(TrainConfig.model_json_schema()) if as_json else answer.print(settings_table(TrainConfig))


def note_dimly(sentence: str) -> None:
    """A note of a training that goes on."""
    print_note(sentence, style="dim")


@contextmanager
def training_bar() -> Iterator[Callable[[TrainingProgress], None]]:
    """A bar for reading the photos, then one for each epoch; yields what `training.fine_tune.train` reports to."""
    with counting() as count:
        yield partial(_count_epoch, count, "")


@contextmanager
def folds_bar() -> Iterator[Callable[[int, int, TrainingProgress], None]]:
    """The same for each fold."""
    with counting() as count:
        yield lambda fold, folds, now: _count_epoch(count, f"fold {fold + 1}/{folds}, ", now)


def _count_epoch(count: OnCount, prefix: str, now: TrainingProgress) -> None:
    if now.stage == "training" and not notes.is_terminal:
        return  # in a log, an epoch is one line, at its end
    name = "reading photos" if now.stage == "reading" else f"epoch {now.epoch}/{now.epochs}"
    note = "" if now.loss is None else f"{now.images_per_s:.0f} images/s, loss {now.loss:.3f}"
    if now.top1 is not None:
        note += f", top-1 {now.top1:.1%}" if now.stage == "scored" else f", top-1 before {now.top1:.1%}"
    count(prefix + name, now.step, now.steps, note)


def epochs_table(run: Run) -> Table:
    """A line for every epoch; the one whose weights were kept is green."""
    columns = ("epoch", "train loss", "train top-1", "loss", "top-1", "top-3", "images/s", "s")
    table = plain_table(numbers=columns)
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


def settings_table(config: type[TrainConfig]) -> Table:
    """A line for every setting, with its default and what it means."""
    table = plain_table("setting", "default", "meaning")
    for name, one in config.model_fields.items():
        default = "(needed)" if one.is_required() else "none" if one.default is None else str(one.default)
        table.add_row(name, default, one.description)
    return table


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
