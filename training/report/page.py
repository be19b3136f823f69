"""From facts to one HTML file: everything inside it, nothing fetched, and only our own script may run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from inference.harmless import harmless
from training.report import words


def render_text(template: str, facts: Mapping[str, Any]) -> str:
    """A page that is no HTML: nothing is escaped here, only by the template."""
    return harmless(_pages().get_template(template).render(facts), lines=True)


@cache
def _pages() -> Environment:
    pages = Environment(
        loader=PackageLoader("training.report", "templates"),
        autoescape=select_autoescape(["html.j2"], default=False, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters.update(
        percent=words.percent, number=words.number, count=words.count, headline=words.headline, interval=words.interval
    )
    pages.globals["words"] = words
    return pages


def render(template: str, facts: Mapping[str, Any]) -> str:
    """The page; every text of a user (labels, file names, settings) is escaped, and the policy forbids other scripts."""
    script = _file("sort.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    page = _pages().get_template(template).render(facts, style=_file("page.css"), script=script, policy=policy)
    return harmless(page, lines=True)  # a file's name need not be text, and may hold marks that hide or turn others


def _file(name: str) -> str:
    return (files("training.report") / "templates" / name).read_text(encoding="utf-8")
