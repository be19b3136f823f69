"""Parts of sentences that more than one room writes."""

from __future__ import annotations

MOST_SHOWN = 200  # characters of a wrong value


def plural(value: int, one: str, many: str | None = None) -> str:
    """1 class, 15 classes, 1,466 photos."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def short(value: object) -> str:
    """A wrong value for a sentence: as Python writes it, and its beginning if it is long."""
    if isinstance(value, str):
        return repr(value[:MOST_SHOWN]) + ("..." if len(value) > MOST_SHOWN else "")
    shown = repr(value)
    return shown if len(shown) <= MOST_SHOWN else f"{shown[:MOST_SHOWN]}..."
