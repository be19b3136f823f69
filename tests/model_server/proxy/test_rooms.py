"""The proxy's rooms import only what stands below them, in the order that the package's docstring names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import proxy

ROOM = Path(str(proxy.__file__)).parent
ORDER = ["service", "http", "torchserve", "groups"]
FLOOR = ["responses", "metrics"]


def parts_imported_by(part: str) -> set[str]:
    """The parts of the proxy, rooms or modules, that a room or a module imports."""
    files = (ROOM / part).glob("*.py") if (ROOM / part).is_dir() else [ROOM / f"{part}.py"]
    return {name for file in files for name in imported(file)}


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            first, *rest = (node.module or "").split(".")
            if first == "proxy":
                yield from rest[:1] or (alias.name for alias in node.names)


def test_the_order_is_the_one_that_the_package_names() -> None:
    assert f"{' -> '.join(ORDER)} -> {', '.join(FLOOR)}" in str(proxy.__doc__)


@pytest.mark.parametrize("place", range(1, len(ORDER)))
def test_a_room_imports_itself_and_what_stands_below_it(place: int) -> None:
    found = parts_imported_by(ORDER[place])
    assert found <= {*ORDER[place:], *FLOOR}
    assert ORDER[place] in found


def test_the_floor_imports_no_room() -> None:
    assert all(parts_imported_by(module) <= set(FLOOR) for module in FLOOR)
