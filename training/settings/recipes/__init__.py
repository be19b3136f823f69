"""Recipes: settings that belong together, one YAML each, with what their source says that they reach."""

from __future__ import annotations

import difflib
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from training.errors import WrongInput
from training.sentences import short
from training.settings.config import Claim


class Recipe(BaseModel):
    """One file of this folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    about: str  # a sentence: for whom, at what cost
    source: str | None = None  # where it comes from, if not from here
    claim: Claim | None = None
    settings: dict[str, Any]


def recipe_names() -> tuple[str, ...]:
    """All of them, in alphabetical order."""
    return tuple(
        sorted(entry.name.removesuffix(".yaml") for entry in files(__name__).iterdir() if entry.name.endswith(".yaml"))
    )


def near_recipe(word: str, *, least: float = 0.6) -> str | None:
    """The recipe whose name is nearest to a word, if it is like it at least so much (0 to 1)."""
    return next(iter(difflib.get_close_matches(word, recipe_names(), n=1, cutoff=least)), None)


def read_recipe(name: str) -> Recipe:
    """One recipe; WrongInput over an unknown name, with near ones."""
    if name not in recipe_names():
        near = near_recipe(name, least=0.4)
        hint = f" Did you mean {near!r}?" if near else ""
        raise WrongInput(f"There is no recipe {short(name)}.{hint} `podium recipes` lists them.")
    return Recipe.model_validate(
        {"name": name, **yaml.safe_load(files(__name__).joinpath(f"{name}.yaml").read_text("utf-8"))}
    )
