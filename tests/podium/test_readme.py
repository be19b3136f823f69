"""The README and the docs name only what is there: commands, options, make targets, files."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from podium.app import app
from training.settings.layering import checked_names
from training.settings.words import sort_words

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "events" / "README.md"]


def podium_commands(page: Path) -> list[list[str]]:
    """Every `podium ...` in a code block or in backticks, as words."""
    text = re.sub(r'"\$\((.*?)\)"', r"\n\1\n", page.read_text().replace("\\\n", " "))
    blocks = "\n".join(re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL))
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    lines = [*blocks.splitlines(), *inline]
    found = [re.match(r"(?:\.venv/bin/)?podium ([a-z].*)", line.strip()) for line in lines]
    return [shlex.split(match[1], comments=True) for match in found if match]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_podium_command_of_a_page_exists_with_its_options(page: Path) -> None:
    for verb, *words in podium_commands(page):
        commands = typer.main.get_group(app).commands
        assert verb in commands, f"{page.name}: podium {verb}"
        if isinstance(group := commands[verb], TyperGroup) and words:  # `podium rollout start`
            commands = group.commands
            verb, *words = words  # noqa: PLW2901
            assert verb in commands, f"{page.name}: podium {group.name} {verb}"
        known = {
            option for parameter in commands[verb].params for option in (*parameter.opts, *parameter.secondary_opts)
        }
        used = {word.partition("=")[0] for word in words if word.startswith("--")}
        if verb == "train":  # takes every setting as an option, too
            settings = sort_words([word for word in words if word not in known]).settings or {}
            used -= {f"--{name}" for name in checked_names(settings, where=page.name)}
        assert used <= known, f"{page.name}: podium {verb}"


def test_the_readme_shows_how_to_use_it() -> None:
    assert len(podium_commands(ROOT / "README.md")) >= 8


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_links_to_exists(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", (ROOT / "README.md").read_text(), re.MULTILINE)) <= targets
