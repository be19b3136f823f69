"""Parts of sentences that more than one room writes."""

from __future__ import annotations


def plural(value: int, one: str, many: str | None = None) -> str:
    """1 class, 15 classes, 1,466 photos."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"
