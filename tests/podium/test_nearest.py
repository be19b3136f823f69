"""The known names that a mistyped one may mean."""

from __future__ import annotations

import pytest

from podium.nearest import nearest


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("MONDAY", ["monday"]),  # and not `mondays`
        ("Mondya", ["monday", "mondays"]),
        ("monday", ["mondays"]),
        ("STRASSE", ["Straße"]),
        ("zzz", []),
    ],
)
def test_upper_and_lower_case_make_no_difference(name: str, near: list[str]) -> None:
    assert nearest(name, ["monday", "mondays", "Straße", "monday"]) == near


def test_names_that_differ_in_case_alone_are_all_meant() -> None:
    assert nearest("CAT", ["cat", "Cat", "car"]) == ["cat", "Cat"]
