"""Arrows run one way: training knows no other room but the shared reader of images."""

from __future__ import annotations

import ast
from pathlib import Path

import training

KNOWN = {
    "inference", "training",
    "annotated_types", "boto3", "botocore", "cleanlab", "huggingface_hub", "jinja2", "matplotlib", "mypy_boto3_s3", "nncf", "numpy", "openvino", "PIL",
    "pydantic", "safetensors", "scipy", "sklearn", "threadpoolctl", "timm", "torch", "torchvision", "yaml",
}  # fmt: skip


def test_training_imports_the_standard_library_its_own_packages_and_inference() -> None:
    import sys

    imported = {
        name.split(".")[0]
        for path in Path(training.__path__[0]).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _names(node)
    }
    assert imported - sys.stdlib_module_names == KNOWN


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
