"""From a command line to one record of settings: recipe < YAML file < command line, as timm's train.py layers them."""

from __future__ import annotations

import os
import re
import typing
from collections.abc import Callable, Mapping, Set
from datetime import UTC, datetime
from pathlib import Path

from training.errors import WrongInput
from training.settings.allowed import allowed
from training.settings.config import TrainConfig, make_config, read_yaml, shrunk
from training.settings.recipes import Recipe, read_recipe
from training.settings.unknown import no_setting
from training.settings.words import ALIASES, Words, own_name

DEFAULT_RECIPE = "balanced"  # if nothing says which model to begin with
NAMES_A_BEGINNING = {"recipe", "model", "pretrained"}
LONGEST_PART = 100  # bytes of each name in a run folder's; a disk takes 255 for all
OFF_EPOCHS = ("mix_off_epochs", "augment_off_epochs")  # the last ones, without a part of the augmentation
# A recipe means these for pretrained weights; they would hold random ones back.
FROM_SCRATCH = {"freeze": "none", "freeze_epochs": 0, "body_lr_scale": 1.0, "layer_decay": None}


def layered(words: Words, *, on_note: Callable[[str], None] = lambda _: None) -> TrainConfig:
    """The settings of recipe, file and command line, each over the one before, checked.

    A file may name its recipe (`recipe: quick`). Without a recipe, a file, model and pretrained, the recipe is
    `balanced`, and `on_note` says so. Raises WrongInput.
    """
    written = {} if words.file is None else checked_names(read_yaml(words.file), where=str(words.file), once=True)
    typed = checked_names(words.settings or {}, where=words.where)
    bare = words.recipe is None and words.file is None and not NAMES_A_BEGINNING & typed.keys()
    named = typed if "recipe" in typed else written  # recipe=none sets the one of the file aside
    name = DEFAULT_RECIPE if bare else words.recipe or named.get("recipe")
    recipe = None if name is None else read_recipe(str(name))
    values: dict[str, object] = {**_of_recipe(recipe), **written, **typed, "recipe": recipe and recipe.name}
    if words.data is not None:
        values["data"] = words.data
    if values.get("data") in (None, ""):
        raise WrongInput(
            "No data: give a folder with one sub-folder of photos per class, as in `podium train ~/photos`."
        )
    if recipe is not None and values.get("model") != recipe.settings.get("model"):
        values["claim"] = None  # it was made for another model
    if "run" not in values:
        values["run"] = _new_run_folder(str(values["data"]), recipe.name if recipe else str(values.get("model", "")))
    own = written.keys() | typed.keys()
    config = make_config(values)
    if config.pretrained == "none":
        values |= {name: value for name, value in FROM_SCRATCH.items() if name not in own}
        config = make_config(values)
    if bare:
        on_note(f"recipe = {DEFAULT_RECIPE} (none was named; `podium recipes` lists them)")
    planned = config.planned_epochs if recipe is None else int(recipe.settings.get("epochs", config.planned_epochs))
    return make_config({**values, **_fitted(config, own, planned)})


def checked_names(values: Mapping[str, object], *, where: str, once: bool = False) -> dict[str, object]:
    """The values under the settings' own names; WrongInput over an unknown name, with the nearest one.

    `once`: also over a setting that is set by two of its names; else the last one counts, as of a word typed twice.
    """
    known = TrainConfig.model_fields
    named: dict[str, object] = {}
    for given, value in values.items():
        key = own_name(str(given))
        if key not in known:
            raise WrongInput(
                f"{where}: {no_setting(str(given), [*known, *ALIASES])} `podium recipes --settings` lists all."
            )
        if once and key in named:
            raise WrongInput(f"{where}: {key} is set twice, the second time as {given}. Keep one of them.")
        named[key] = _none_as_it_is_meant(key, value)
    return named


def _none_as_it_is_meant(key: str, value: object) -> object:
    """None for the word where the setting may be None, and the word for None where that is one of its own."""
    field = TrainConfig.model_fields[key]
    may_be_none = type(None) in typing.get_args(field.annotation)
    if may_be_none:
        return None if value in ("none", "None") else value
    return "none" if value is None and re.search(r"\bnone\b", allowed(field)) else value


def _fitted(config: TrainConfig, own: Set[str], planned: int) -> dict[str, object]:
    """The settings counted in epochs that change because the epochs are fewer than the `planned` ones of the recipe.

    Raises WrongInput if one that the person set (`own`) leaves nothing to learn.
    """
    epochs, changed = config.planned_epochs, dict[str, object]()
    if config.freeze != "body" and config.freeze_epochs >= epochs:
        if "freeze_epochs" in own:
            raise WrongInput(
                f"freeze_epochs = {config.freeze_epochs} leaves none of epochs = {epochs} in which the body learns."
                " Lower it, or say freeze=body."
            )
        changed["freeze_epochs"] = shrunk(config.freeze_epochs, planned, epochs)
    for name in OFF_EPOCHS:
        off = getattr(config, name)
        if name not in own and epochs < planned:
            changed[name] = shrunk(off, planned, epochs)
        elif off >= epochs:
            raise WrongInput(f"{name} = {off} leaves none of epochs = {epochs} before them. Lower it.")
    if config.schedule != "onecycle" and config.warmup_epochs >= epochs:
        if "warmup_epochs" in own:
            raise WrongInput(
                f"warmup_epochs = {config.warmup_epochs:g} leaves none of epochs = {epochs} in which the learning rate is"
                " at its peak. Lower it."
            )
        changed["warmup_epochs"] = epochs / 2
    return changed


def _of_recipe(recipe: Recipe | None) -> dict[str, object]:
    if recipe is None:
        return {}
    return {
        **checked_names(recipe.settings, where=f"recipe {recipe.name}"),
        "recipe": recipe.name,
        "claim": recipe.claim,
    }


def _new_run_folder(data: str, what: str) -> Path:
    data = os.path.expanduser(data)  # noqa: PTH111 - s3:// has two slashes
    name = Path(data.rstrip("/")).resolve().name if "://" not in data else data.rstrip("/").rpartition("/")[2]
    parts = [_cut(name.removesuffix(".csv").removesuffix(".jsonl")), _cut(what) or "model"]
    return Path("runs") / "-".join([*parts, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"])


def _cut(name: str) -> str:
    """The beginning of a name, so short that one of several parts of a file's name can be made of it."""
    return os.fsencode(name.replace("/", "-"))[:LONGEST_PART].decode("utf-8", "ignore")
