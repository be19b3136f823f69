"""The settings of a run with their meaning, its versions, and the command that repeats it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from training.report.story import Story
from training.settings.config import TrainConfig


@dataclass(frozen=True)
class Setting:
    """One line of the settings: its value, and the reason if the value was `auto`."""

    name: str
    value: str
    usual: bool  # whether it is the default
    meaning: str
    reason: str


def settings_of(story: Story) -> list[Setting]:
    """Every setting of the run, those that differ from the defaults first."""
    values = {**story.config, **story.resolved}
    listed = [_setting(name, value, story) for name, value in values.items()]
    return sorted(listed, key=lambda setting: setting.usual)


def _setting(name: str, value: object, story: Story) -> Setting:
    field = TrainConfig.model_fields.get(name)
    usual = field is not None and not field.is_required() and value == field.default
    meaning = (field.description or "") if field else ""
    return Setting(name, written(value), usual, meaning, story.reasons.get(name, ""))


def written(value: object) -> str:
    """A value as a settings file has it."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping | list | tuple):
        return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000).strip()
    return yaml.safe_dump(value).removesuffix("...\n").strip()


def training_command(story: Story) -> str:
    """The command that trains the same model again, into another folder."""
    return f"podium train {shlex.quote(str(story.folder / 'config.yaml'))} run={shlex.quote(f'{story.folder}-again')}"


def versions_of(story: Story) -> dict[str, str]:
    """Versions of the libraries, and the commit of this code."""
    return {**story.model.versions, **({"git": story.model.git_commit} if story.model.git_commit else {})}
