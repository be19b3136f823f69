"""`podium train | recipes`: from photos to a finished run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from podium.commands.options import A_MODEL, AsJson
from podium.errors import EXIT_USAGE, ConsoleError, foreseen

if TYPE_CHECKING:
    from podium.shown.progress import OnCount
    from training.kfold import Folds
    from training.run import Run, TrainingProgress
    from training.settings.config import TrainConfig

ANY_SETTING = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": ["-h", "--help"]}


def train(
    context: typer.Context,
    words: Annotated[list[str] | None, typer.Argument(metavar="WORDS...")] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with the interrupted training in this run folder.", metavar="RUN")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be trained, and on what; train nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fine-tune a model on photos.

    WORDS are, in any order: the data (a folder with one sub-folder per class, a CSV or JSONL manifest, s3://bucket/prefix, or
    cifar10, cifar100, mnist, oxford-pets, food101), a recipe's name, a settings file, and settings as epochs=5 or --epochs 5.
    What you type overrides the file, and the file the recipe. Without recipe, file, model= and pretrained=, the recipe is
    balanced; it fine-tunes ImageNet weights, which are downloaded once.

        podium train ~/photos
        podium train quick ~/photos epochs=5 lr=0.0005
        podium train ~/photos mine.yaml --mixup 0.2

    `podium recipes` lists the recipes, `podium recipes --settings` every setting.
    """
    from podium.shown import console as present

    typed = [*(words or []), *context.args]
    if resume is not None and typed:
        raise ConsoleError(
            f"--resume goes on with the settings that {resume} began with: leave out {' '.join(typed)}.", EXIT_USAGE
        )
    if resume is not None and dry_run:
        raise ConsoleError(
            f"--dry-run says what a new training would be, and --resume {resume} goes on with one that has begun: leave one"
            " of the two out.",
            EXIT_USAGE,
        )
    if resume is None and not typed:
        raise ConsoleError(
            "Train on what? Give a folder with one sub-folder of photos per class, as in `podium train ~/photos`.",
            EXIT_USAGE,
        )
    with foreseen():
        if resume is not None:
            _go_on(resume, as_json=as_json)
            return
        from training.settings.layering import layered, sort_words

        notes: list[str] = []
        config = layered(sort_words(typed), on_note=notes.append if dry_run else _note)
        if dry_run:
            _show_plan(config, notes, as_json=as_json)
        elif config.folds is not None and config.fold is None:
            from training.kfold import train_folds

            with _folds_bar() as on_fold:
                folds = train_folds(config, on_progress=on_fold, on_note=_note)
            _tell_folds(folds, as_json=as_json)
        else:
            from training.fine_tune import train as fit

            with training_bar() as on_progress:
                finished = fit(config, on_progress=on_progress, on_note=_note)
            _tell(finished, as_json=as_json)
    present.notes.file.flush()


def recipes(
    name: Annotated[str | None, typer.Argument(help="Show this one whole.")] = None,
    settings: Annotated[bool, typer.Option("--settings", help="List every setting of a training instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the recipes: settings that belong together, and the figures that their sources report."""
    from podium.shown import console as present
    from podium.shown.training import recipe_document, recipes_table, settings_document, settings_table

    if name and settings:
        raise ConsoleError(
            f"--settings lists those of every training, {name} or not: leave one of the two out.", EXIT_USAGE
        )
    with foreseen():
        from training.settings.recipes import read_recipe, recipe_names

        shown = [read_recipe(name)] if name else [read_recipe(each) for each in recipe_names()]
    if settings:
        present.print_json(settings_document()) if as_json else present.answer.print(settings_table())
    elif as_json:
        present.print_json(shown if name is None else shown[0])
    elif name:
        present.answer.print(recipe_document(shown[0]), markup=False, soft_wrap=True, end="")
        present.notes.print(f"next: podium train {name} DATA", markup=False)
    else:
        present.answer.print(recipes_table(shown))
        present.notes.print("next: podium train RECIPE DATA, or podium recipes RECIPE to see one whole", markup=False)


def register(app: typer.Typer) -> None:
    """Add these commands to the console."""
    app.command(context_settings=ANY_SETTING, rich_help_panel=A_MODEL)(train)
    app.command(rich_help_panel=A_MODEL)(recipes)


@contextmanager
def training_bar(prefix: str = "") -> Iterator[Callable[[TrainingProgress], None]]:
    """A bar for the reading, then one per epoch, on stderr; yields what `training.fine_tune.train` reports to."""
    from podium.shown.progress import counting

    with counting() as count:
        yield partial(_tell_epoch, count, prefix)


def _tell_epoch(count: OnCount, prefix: str, now: TrainingProgress) -> None:
    name = "reading photos" if now.stage == "reading" else f"epoch {now.epoch}/{now.epochs}"
    note = "" if now.loss is None else f"{now.images_per_s:.0f} images/s, loss {now.loss:.3f}"
    if now.top1 is not None:
        note += f", top-1 {now.top1:.1%}" if now.stage == "scored" else f", top-1 before {now.top1:.1%}"
    count(prefix + name, now.step, now.steps, note)


def _note(sentence: str) -> None:
    from podium.shown import console as present

    present.notes.print(sentence, style="dim", markup=False, soft_wrap=True)


def _tell(run: Run, *, as_json: bool) -> None:
    from podium.shown import console as present
    from podium.shown.training import epochs_table, run_document, run_notes

    if as_json:
        present.print_json(run_document(run))
    else:
        present.answer.print(epochs_table(run))
    for sentence in run_notes(run):
        present.notes.print(sentence, soft_wrap=True, markup=False)
    present.notes.print(
        f"next: podium evaluate {run.folder}, or podium package {run.folder}", soft_wrap=True, markup=False
    )


def _go_on(run: Path, *, as_json: bool) -> None:
    from training.fine_tune import resume
    from training.kfold import are_folds, resume_folds

    if are_folds(run):
        with _folds_bar() as on_fold:
            folds = resume_folds(run, on_progress=on_fold, on_note=_note)
        _tell_folds(folds, as_json=as_json)
        return
    with training_bar() as on_progress:
        finished = resume(run, on_progress=on_progress, on_note=_note)
    _tell(finished, as_json=as_json)


@contextmanager
def _folds_bar() -> Iterator[Callable[[int, int, TrainingProgress], None]]:
    from podium.shown.progress import counting

    with counting() as count:
        yield lambda fold, folds, now: _tell_epoch(count, f"fold {fold + 1}/{folds}, ", now)


def _tell_folds(folds: Folds, *, as_json: bool) -> None:
    from podium.shown import console as present
    from podium.shown.training import folds_document, folds_table

    if as_json:
        present.print_json(folds_document(folds))
    else:
        present.answer.print(folds_table(folds))
    present.notes.print(f"next: podium evaluate {folds.runs[0].folder}", soft_wrap=True, markup=False)


def _show_plan(config: TrainConfig, notes: Sequence[str], *, as_json: bool) -> None:
    """Show the plan of a training, which begins with these notes; no photo is read."""
    from podium.shown import console as present
    from podium.shown.training import plan_table
    from training.planning import plan

    planned = plan(config, notes)
    if as_json:
        present.print_json(planned)
    else:
        present.answer.print(plan_table(config, planned))
    present.notes.print("nothing was trained. next: the same without --dry-run", markup=False)
