"""`podium train | recipes`: from photos to a finished run."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from podium.commands.options import AsJson, Resume
from podium.errors import EXIT_USAGE, ConsoleError, foreseen

ANY_SETTING = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": ["-h", "--help"]}


def train(
    context: typer.Context,
    words: Annotated[list[str] | None, typer.Argument(metavar="WORDS...")] = None,
    resume: Resume = None,
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
    _check_options(context, typed)
    with foreseen():
        if resume is not None:
            _resume(resume, as_json=as_json)
        else:
            _train(typed, dry_run=dry_run, as_json=as_json)


def recipes(
    name: Annotated[str | None, typer.Argument(help="Show this one whole.")] = None,
    settings: Annotated[bool, typer.Option("--settings", help="List every setting of a training instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the recipes: settings that belong together, and the figures that their sources report."""
    from podium.shown.training import show_recipe, show_recipes, show_settings

    if name and settings:
        raise ConsoleError(
            f"--settings lists those of every training, {name} or not: leave one of the two out.", EXIT_USAGE
        )
    if settings:
        show_settings(as_json=as_json)
        return
    with foreseen():
        from training.settings.recipes import read_recipe, recipe_names

        if name:
            show_recipe(read_recipe(name), as_json=as_json)
        else:
            show_recipes([read_recipe(each) for each in recipe_names()], as_json=as_json)


def _check_options(context: typer.Context, typed: Sequence[str]) -> None:
    """ConsoleError over a word that is no setting, but nearly one of the command's own options."""
    from training.settings.words import is_setting

    options = [option for parameter in context.command.params for option in parameter.opts if option.startswith("--")]
    for word in typed:
        option = word.partition("=")[0]
        near = difflib.get_close_matches(option, options, n=1, cutoff=0.8) if option.startswith("--") else []
        if near and not is_setting(option[2:]):
            raise ConsoleError(f"there is no option {option}. Did you mean {near[0]}?", EXIT_USAGE)


def _resume(run: Path, *, as_json: bool) -> None:
    from podium.shown.training import folds_bar, note_dimly, show_folds, show_run, training_bar
    from training.fine_tune import resume
    from training.kfold import are_folds, resume_folds

    if are_folds(run):
        with folds_bar() as on_fold:
            folds = resume_folds(run, on_progress=on_fold, on_note=note_dimly)
        show_folds(folds, as_json=as_json)
    else:
        with training_bar() as on_progress:
            finished = resume(run, on_progress=on_progress, on_note=note_dimly)
        show_run(finished, as_json=as_json)


def _train(typed: Sequence[str], *, dry_run: bool, as_json: bool) -> None:
    from podium.shown.training import folds_bar, note_dimly, show_folds, show_plan, show_run, training_bar
    from training.settings.layering import layered
    from training.settings.words import sort_words

    notes: list[str] = []
    config = layered(sort_words(typed), on_note=notes.append if dry_run else note_dimly)
    if dry_run:
        from training.planning import plan

        show_plan(config, plan(config, notes), as_json=as_json)
    elif config.folds is not None and config.fold is None:
        from training.kfold import train_folds

        with folds_bar() as on_fold:
            folds = train_folds(config, on_progress=on_fold, on_note=note_dimly)
        show_folds(folds, as_json=as_json)
    else:
        from training.fine_tune import train

        with training_bar() as on_progress:
            finished = train(config, on_progress=on_progress, on_note=note_dimly)
        show_run(finished, as_json=as_json)
