"""From a command line to one record of settings: recipe < YAML file < command line, as timm's train.py layers them."""

from __future__ import annotations

import os
import shlex
import typing
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from training.errors import WrongInput
from training.settings.allowed import allowed
from training.settings.bounded_yaml import WrongYaml, bounded
from training.settings.config import TrainConfig, make_config, no_setting, read_yaml, shrunk
from training.settings.recipes import Recipe, near_recipe, read_recipe, recipe_names

# What timm's train.py and Ultralytics call the same settings.
ALIASES = {
    "opt": "optimizer", "sched": "schedule", "smoothing": "label_smoothing", "gp": "pool", "drop": "dropout",
    "reprob": "random_erasing", "erasing": "random_erasing", "aa": "rand_augment", "auto_augment": "rand_augment",
    "hflip": "horizontal_flip", "fliplr": "horizontal_flip", "vflip": "vertical_flip", "flipud": "vertical_flip",
    "degrees": "rotation", "translate": "shift", "img_size": "image_size", "imgsz": "image_size", "batch": "batch_size",
    "b": "batch_size", "lr0": "lr", "lrf": "min_lr_scale", "patience": "early_stopping", "time": "hours",
    "model_ema_decay": "ema_decay", "grad_accum_steps": "accumulate", "torchcompile": "compile", "j": "workers",
    "decay_rate": "decay_factor", "patience_epochs": "decay_epochs", "sync_bn": "sync_batchnorm", "model_kwargs": "model_args",
    "project": "run", "output": "run", "val_share": "validation_share",
}  # fmt: skip
MOST_SHOWN = 200  # characters of a wrong value in a sentence
DEFAULT_RECIPE = "balanced"  # if nothing says which model to begin with
NAMES_A_BEGINNING = {"recipe", "model", "pretrained"}
YES_OR_NO = ("true", "false", "yes", "no", "on", "off")  # YAML's own


OFF_EPOCHS = ("mix_off_epochs", "augment_off_epochs")  # the last ones, without a part of the augmentation
# A recipe means these for pretrained weights; they would hold random ones back.
FROM_SCRATCH = {"freeze": "none", "freeze_epochs": 0, "body_lr_scale": 1.0, "layer_decay": None}


@dataclass(frozen=True)
class Words:
    """A command line, sorted: data, recipe, settings file, settings."""

    data: str | None = None
    recipe: str | None = None
    file: Path | None = None
    settings: Mapping[str, object] | None = None
    where: str = "the command line"  # that the settings come from


def sort_words(words: Sequence[str]) -> Words:
    """Sort `quick ~/photos epochs=3 --lr 0.01 mine.yaml`: every setting may be written in each of the usual ways.

    A word without `=` or `--` is a recipe if one has that name, a settings file if it ends in .yaml, and else the data.
    Raises WrongInput over a second one of a kind.
    """
    found: dict[str, str] = {}
    settings: dict[str, object] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word.startswith("--") and "=" not in word:
            _set(settings, word[2:], rest.pop(0) if rest and _is_value(rest[0], of=word[2:]) else _alone(word[2:]))
        elif "=" in word and not word.startswith(("/", ".", "s3:")):
            key, _, value = word.removeprefix("--").partition("=")
            _set(settings, key, value)
        else:
            kind = "recipe" if word in recipe_names() else "file" if word.endswith((".yaml", ".yml")) else "data"
            if kind in found:
                raise WrongInput(_two_of_a_kind(kind, found[kind], word))
            found[kind] = word
    if "data" in found and "recipe" not in found:
        _check_no_recipe_is_meant(found["data"])
    file = Path(found["file"]).expanduser() if "file" in found else None
    return Words(found.get("data"), found.get("recipe"), file, settings)


def layered(words: Words, *, on_note: Callable[[str], None] = lambda _: None) -> TrainConfig:
    """The settings of recipe, file and command line, each over the one before, checked.

    A file may name its recipe (`recipe: quick`). Without a recipe, a file, model and pretrained, the recipe is
    `balanced`, and `on_note` says so. Raises WrongInput.
    """
    written = {} if words.file is None else checked_names(read_yaml(words.file), where=str(words.file))
    typed = checked_names(words.settings or {}, where=words.where)
    bare = words.recipe is None and words.file is None and not NAMES_A_BEGINNING & typed.keys()
    named = typed if "recipe" in typed else written  # recipe=none sets the one of the file aside
    name = DEFAULT_RECIPE if bare else words.recipe or named.get("recipe")
    recipe = None if name is None else read_recipe(str(name))
    values: dict[str, object] = {**_of_recipe(recipe), **written, **typed, "recipe": recipe and recipe.name}
    if words.data is not None:
        values["data"] = words.data
    if not values.get("data"):
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


def checked_names(values: Mapping[str, object], *, where: str) -> dict[str, object]:
    """The values under the settings' own names; WrongInput over an unknown name, with the nearest one."""
    known = TrainConfig.model_fields
    named: dict[str, object] = {}
    for given, value in values.items():
        key = _own_name(str(given))
        if key not in known:
            raise WrongInput(
                f"{where}: {no_setting(str(given), [*known, *ALIASES])} `podium recipes --settings` lists them."
            )
        named[key] = None if value in ("none", "None") and _may_be_none(key) else value
    return named


def _set(settings: dict[str, object], key: str, text: str) -> None:
    if not key:
        raise WrongInput(f"'={text}' sets nothing. Write the setting's name before it, as epochs=5.")
    if not text:
        raise WrongInput(f"{key}= has no value. Give one, or leave {key} out.")
    try:
        settings[key] = bounded(text)
    except WrongYaml as error:
        raise WrongInput(f"{key} = {text[:MOST_SHOWN]!r} cannot be read as a YAML value: {error}.") from error


def _two_of_a_kind(kind: str, first: str, second: str) -> str:
    """The sentence about two words of one kind: one may be a recipe whose name is not quite right."""
    if kind == "data":
        for word, data in ((second, first), (first, second)):
            near = None if Path(word).expanduser().exists() else near_recipe(word)
            if near is not None:
                return f"there is no recipe {word!r}. Did you mean {near!r}, as in `podium train {near} {shlex.quote(str(data))}`?"
    return f"{first!r} and {second!r} are both taken for the {kind}. Give one; settings are written as epochs=5."


def _check_no_recipe_is_meant(data: str) -> None:
    """WrongInput if the only word that could be the data is no path, and nearly a recipe's name."""
    near = None if Path(data).expanduser().exists() else near_recipe(data, least=0.8)
    if near is not None:
        raise WrongInput(
            f"there is no folder {data!r}, and no recipe of that name. Did you mean {near!r}? Then give the data, too, as in"
            f" `podium train {near} ~/photos`."
        )


def _is_value(word: str, *, of: str) -> bool:
    """Whether the word after `--of` is its value; a yes-or-no setting may stand alone, before a folder or a recipe."""
    if _is_yes_or_no(of):
        return word.lower() in YES_OR_NO
    return not word.startswith("--") and "=" not in word


def _alone(name: str) -> str:
    """The value of `--name` without one; WrongInput if the setting is no yes or no."""
    if _own_name(name) in TrainConfig.model_fields and not _is_yes_or_no(name):
        raise WrongInput(f"--{name} needs a value: {allowed(TrainConfig.model_fields[_own_name(name)])}.")
    return "true"


def _is_yes_or_no(name: str) -> bool:
    field = TrainConfig.model_fields.get(_own_name(name))
    return field is not None and field.annotation is bool


def _own_name(name: str) -> str:
    """The setting's own name for timm's or Ultralytics' one."""
    plain = name.replace("-", "_")
    return ALIASES.get(plain, plain)


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


def _may_be_none(key: str) -> bool:
    return type(None) in typing.get_args(TrainConfig.model_fields[key].annotation)


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
    parts = [name.removesuffix(".csv").removesuffix(".jsonl"), what or "model", f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"]
    return Path("runs") / "-".join(parts)
