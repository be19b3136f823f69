"""The page of the function's figures has the prices of the price file and the arithmetic of the forecast."""

from __future__ import annotations

import json

from benchmarks.function.__main__ import OUT, page


def test_every_figure_of_the_page_follows_from_what_was_measured() -> None:
    """After a price has changed, write the page again from function.json."""
    found = json.loads((OUT / "function.json").read_bytes())
    written = (OUT / "function.md").read_text(encoding="utf-8").splitlines()
    again = "\n".join(page(found["rows"], found["machine"], found["command"])).splitlines()
    assert [line for line in again if line not in written] == []
