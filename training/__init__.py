"""Fine-tune a timm model on a folder of photos, evaluate it, and package it.

settings -> data (listing, split) -> model -> photos (decoded, cached) -> fitting (epochs) -> run folder
-> evaluation, report; and -> packaging (.mar)

    >>> import training
    >>> run = training.train("photos", recipe="quick", epochs=5)
    >>> training.evaluate(run.folder).top1.value
    >>> for answer in training.predict(run.folder, ["new/"]): print(answer)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.evaluation.records import Evaluation
    from training.prediction.predict import PhotoResult
    from training.run import Run, TrainingProgress


def train(
    data: str | Path | None = None,
    *,
    recipe: str | None = None,
    file: str | Path | None = None,
    on_progress: Callable[[TrainingProgress], None] = lambda _: None,
    on_note: Callable[[str], None] = lambda _: None,
    **settings: object,
) -> Run:
    """Train with the settings of a recipe, a YAML file and these keywords, each over the one before.

    Without recipe, file, model and pretrained it is the recipe `balanced`, whose weights are downloaded; with recipe="none"
    it is none, as in `podium train recipe=none`, and so is file="none". `on_note` gets the values of `auto` settings, and whatever else a person should know (`on_note=print`).
    It is one training: with `folds` (which the recipe cnn sets) give a `fold`; `training.kfold.train_folds` trains all.
    Raises training.errors.WrongInput and TrainingError, each with a sentence.
    """
    from training.errors import WrongInput
    from training.fine_tune import train as fit
    from training.settings.layering import layered
    from training.settings.words import Words

    _check_callable("on_progress", on_progress)
    _check_callable("on_note", on_note)
    given = settings if recipe is None else {**settings, "recipe": recipe}
    place = None if file in (None, "none", "None") else _path("file", file)
    config = layered(Words(None if data is None else str(data), None, place, given, "training.train"), on_note=on_note)
    if config.folds is not None and config.fold is None:
        raise WrongInput(
            f"folds = {config.folds} is as many trainings. Give fold=0 (and so on) or folds=None for one, or use"
            " training.kfold.train_folds, which trains them all."
        )
    return fit(config, on_progress=on_progress, on_note=on_note)


def resume(
    run_folder: str | Path,
    *,
    on_progress: Callable[[TrainingProgress], None] = lambda _: None,
    on_note: Callable[[str], None] = lambda _: None,
) -> Run:
    """Go on with an interrupted training, to the same weights; raises WrongInput if there is nothing to resume."""
    from training.fine_tune import resume as go_on

    _check_callable("on_progress", on_progress)
    _check_callable("on_note", on_note)
    return go_on(_path("run_folder", run_folder), on_progress=on_progress, on_note=on_note)


def evaluate(run_folder: str | Path, *, split: str = "auto", data: str | None = None) -> Evaluation:
    """Evaluate a finished run on one of its splits (`auto`: test if the run has it) or on a labelled folder."""
    from training.evaluation.evaluate import evaluate as run_evaluation

    return run_evaluation(_path("run_folder", run_folder), split=split, data=data)


def predict(model: str | Path, images: str | Path | Sequence[str | Path], *, top_k: int = 3) -> Iterator[PhotoResult]:
    """The most likely classes of every image; `model` is a run folder or a `.mar`, an image also a folder or s3://.

    `images` may be one of them. Raises WrongInput and TrainingError, each with a sentence.
    """
    from training.errors import WrongInput
    from training.prediction.predict import predict as results

    if not isinstance(top_k, int) or isinstance(top_k, bool):
        raise WrongInput(f"top_k = {top_k!a}: give a whole number (at least 1).")
    return results(_path("model", model), _several("images", images), top_k=top_k)


def _check_callable(name: str, given: object) -> None:
    from training.errors import WrongInput

    if not callable(given):
        raise WrongInput(f"{name} = {given!a}: give a function of one argument, as print, or leave it out.")


def _several(name: str, given: object) -> list[str]:
    """One or several places, as text; WrongInput if it is none."""
    from training.errors import WrongInput

    if isinstance(given, bytes) or not isinstance(given, Iterable | Path):
        raise WrongInput(f"{name} = {given!a}: give a path, or a list of paths.")
    return [_place(name, one) for one in ([given] if isinstance(given, str | Path) else given)]


def _path(name: str, given: str | Path) -> Path:
    """The path, from its `~` on; WrongInput if it is none."""
    return Path(os.path.expanduser(_place(name, given)))  # noqa: PTH111 - pathlib's raises for ~nobody


def _place(name: str, given: object) -> str:
    from training.errors import WrongInput

    if not isinstance(given, str | Path) or not str(given) or "\0" in str(given):
        raise WrongInput(f"{name} = {given!a}: give a path.")
    return str(given)
