"""docs/decisions.md: every paragraph stands in the index once, and the paragraphs stand in the order of their dates."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "decisions.md"
INDEX, _, PARAGRAPHS = PAGE.read_text(encoding="utf-8").partition("\n## ")
HEADINGS = re.findall(r"^## (.+)$", f"## {PARAGRAPHS}", re.MULTILINE)
LINKS = re.findall(r"^- \[(.+)\]\(#(\S+)\)$", INDEX, re.MULTILINE)


def anchor(heading: str) -> str:
    """GitHub's anchor: lower case, no punctuation but hyphens and underscores, a hyphen for each space."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_paragraph_is_in_the_index_once_and_every_link_leads_to_one() -> None:
    assert Counter(target for _, target in LINKS) == Counter(map(anchor, HEADINGS))
    assert len(set(map(anchor, HEADINGS))) == len(HEADINGS), "two paragraphs share an anchor"


def test_a_link_of_the_index_reads_like_its_heading_without_the_date() -> None:
    titles = {anchor(heading): heading.partition(": ")[2] for heading in HEADINGS}
    assert [(text, target) for text, target in LINKS if titles.get(target) != text] == []


def test_paragraphs_stand_in_the_order_of_their_dates() -> None:
    dates = [re.match(r"\d{4}-\d\d-\d\d(?=: \S)", heading) for heading in HEADINGS]
    assert all(dates), "a heading is '## YEAR-MONTH-DAY: title'"
    assert [date[0] for date in dates if date] == sorted(date[0] for date in dates if date)
