"""The words of a command line, sorted: `quick ~/photos epochs=3 --lr 0.01 mine.yaml`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.errors import WrongInput
from training.sentences import short
from training.settings.allowed import allowed, takes_text
from training.settings.bounded_yaml import WrongYaml, bounded
from training.settings.config import TrainConfig
from training.settings.recipes import near_recipe, recipe_names

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
YES_OR_NO = ("true", "false", "yes", "no", "on", "off")  # YAML's own
SETTING = re.compile(r"-{0,2}(?P<name>[A-Za-z][\w-]*)?=(?P<value>.*)", re.DOTALL)  # a path may have `=` in it, too
MODEL = re.compile(r"[A-Za-z]\w*(\.\w+)?")


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

    A word without `=` or `--` is a recipe if one has that name, a settings file if it ends in .yaml, and else the data. The
    value of a setting that is a name or a path is taken as it is, any other is YAML. Raises WrongInput over a second word
    of a kind, and over a value that is none.
    """
    found: dict[str, str] = {}
    settings: dict[str, object] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if setting := SETTING.fullmatch(word):
            _set(settings, setting["name"] or "", setting["value"])
        elif word.startswith("-"):
            name = _option(word)
            _set(settings, name, rest.pop(0) if rest and _is_value(rest[0], of=name) else _alone(word, name))
        else:
            kind = "recipe" if word in recipe_names() else "file" if word.endswith((".yaml", ".yml")) else "data"
            if kind in found:
                raise WrongInput(_two_of_a_kind(kind, found[kind], word))
            found[kind] = word
    if "data" in found and "recipe" not in found:
        _check_no_recipe_is_meant(found["data"])
    file = Path(found["file"]).expanduser() if "file" in found else None
    return Words(found.get("data"), found.get("recipe"), file, settings)


def _set(settings: dict[str, object], key: str, text: str) -> None:
    if not key:
        raise WrongInput(f"'={text}' sets nothing. Write the setting's name before it, as epochs=5.")
    if not text.strip():
        raise WrongInput(f"{key}= has no value. Give one, or leave {key} out.")
    field = TrainConfig.model_fields.get(own_name(key))
    settings[key] = _unquoted(text) if field is None or takes_text(field) else _yaml(key, text)


def _unquoted(text: str) -> str:
    """The text, without the quotes that a person who thinks of YAML writes around it."""
    quoted = text[0] in "'\"" and text.find(text[0], 1) == len(text) - 1
    return text[1:-1] if quoted else text


def _yaml(key: str, text: str) -> object:
    try:
        return bounded(text)
    except WrongYaml as error:
        raise WrongInput(f"{key} = {short(text)} cannot be read as a YAML value: {error}.") from error


def _option(word: str) -> str:
    """The name in `--name`, or in `-b` if timm has that; WrongInput over another word that begins with a dash."""
    name = word.removeprefix("--")
    if name.startswith("-"):
        name = name[1:]
        if not is_setting(name):
            raise WrongInput(
                f"there is no option {word!r}. Settings are written as epochs=5 or --epochs 5, and a path that begins with a"
                f" dash as ./{word}."
            )
    return name


def _two_of_a_kind(kind: str, first: str, second: str) -> str:
    """The sentence about two words of one kind: one may be a recipe whose name is not quite right, or a model."""
    model = ""
    if kind == "data":
        for word, data in ((second, first), (first, second)):
            if Path(word).expanduser().exists():
                continue
            model = model or (f" A model is named so: model={word}." if MODEL.fullmatch(word) else "")
            if near := near_recipe(word):
                return f"there is no recipe {word!r}. Did you mean {near!r}, as in `podium train {near} {shlex.quote(data)}`?{model}"
    return f"{first!r} and {second!r} are both taken for the {kind}. Give one; settings are written as epochs=5.{model}"


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
    return not word.startswith("--") and not SETTING.fullmatch(word)


def _alone(word: str, name: str) -> str:
    """The value of `--name` without one; WrongInput if the setting is no yes or no."""
    if is_setting(name) and not _is_yes_or_no(name):
        raise WrongInput(f"{word} needs a value: {allowed(TrainConfig.model_fields[own_name(name)])}.")
    return "true"


def _is_yes_or_no(name: str) -> bool:
    field = TrainConfig.model_fields.get(own_name(name))
    return field is not None and field.annotation is bool


def is_setting(name: str) -> bool:
    """Whether a setting has this name, its own or timm's or Ultralytics'."""
    return own_name(name) in TrainConfig.model_fields


def own_name(name: str) -> str:
    """The setting's own name for timm's or Ultralytics' one."""
    plain = name.replace("-", "_")
    return ALIASES.get(plain, plain)
