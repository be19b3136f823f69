"""The known names that a mistyped one may mean; upper and lower case make no difference."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str], most: int = 3, cutoff: float = 0.6) -> list[str]:
    """At most so many of the known names, the most similar first; none that is `name` itself, or less similar than `cutoff` (0-1).

    Those that differ in case alone are all that it can mean.
    """
    spelt: dict[str, list[str]] = {}
    for one in dict.fromkeys(known):
        if one != name:
            spelt.setdefault(one.casefold(), []).append(one)
    if name.casefold() in spelt:
        return spelt[name.casefold()][:most]
    near = get_close_matches(name.casefold(), spelt, most, cutoff)
    return [one for folded in near for one in spelt[folded]][:most]
