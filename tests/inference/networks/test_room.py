"""`inference.networks` is a leaf: it lies in the archive beside the handler, and must find there whatever it imports."""

from __future__ import annotations

import ast
import sys

import pytest

pytestmark = pytest.mark.torch


def test_networks_imports_timm_torch_and_itself() -> None:
    from pathlib import Path

    import inference.networks

    imported = {
        name.split(".")[0]
        for path in Path(inference.networks.__path__[0]).glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _names(node)
    }
    assert imported - sys.stdlib_module_names == {"inference", "timm", "torch"}


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
