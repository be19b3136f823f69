"""The import rules of pyproject.toml refuse what they are there to refuse; `make check` holds the code against them."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("functions/pipeline", "inference", "model_server", "training", "bulk", "podium")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the product's rooms and of the rules."""
    copy = tmp_path_factory.mktemp("house")
    for room in ROOMS:
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


@pytest.mark.parametrize(
    ("file", "imported", "refused"),
    [
        (
            "functions/pipeline/backfill/tallies.py",
            "pipeline.gate.decision",
            "pipeline.backfill is not allowed to import pipeline.gate",
        ),
        (
            "functions/pipeline/results/rows.py",
            "pipeline.classify.groups",
            "pipeline.results is not allowed to import pipeline.classify",
        ),
        (
            "functions/pipeline/contracts.py",
            "pipeline.settings",
            "pipeline.contracts is not allowed to import pipeline.settings",
        ),
        ("functions/pipeline/classify/groups.py", "torch", "pipeline.classify is not allowed to import torch"),
        ("functions/pipeline/classify/groups.py", "numpy", "pipeline.classify is not allowed to import numpy"),
        ("functions/pipeline/classify/groups.py", "training.run", "pipeline is not allowed to import training"),
        ("model_server/serving/metrics.py", "training.run", "serving is not allowed to import training"),
        ("model_server/serving/metrics.py", "boto3", "serving is not allowed to import boto3"),
        ("model_server/proxy/metrics.py", "pipeline.contracts", "proxy is not allowed to import pipeline"),
        ("training/run.py", "podium.project", "training is not allowed to import podium"),
        ("training/run.py", "ts.context", "training is not allowed to import ts"),
        ("training/run.py", "proxy.metrics", "training is not allowed to import proxy"),
        ("training/run.py", "serving.bundle", "training is not allowed to import serving"),
        ("functions/pipeline/classify/groups.py", "serving.bundle", "pipeline is not allowed to import serving"),
        ("podium/commands/stack.py", "proxy.service", "podium is not allowed to import proxy"),
        ("training/run.py", "handler", "training is not allowed to import handler"),
        ("model_server/serving/metrics.py", "handler", "serving is not allowed to import handler"),
        (
            "model_server/proxy/groups/rate.py",
            "proxy.torchserve.process",
            "proxy.groups is not allowed to import proxy.torchserve",
        ),
        (
            "inference/images/bombs.py",
            "inference.archive.digest",
            "inference.images is not allowed to import inference.archive",
        ),
        ("inference/classifier.py", "serving.responses", "inference is not allowed to import serving"),
        ("inference/classifier.py", "boto3", "inference is not allowed to import boto3"),
        ("bulk/child.py", "podium.project", "bulk is not allowed to import podium"),
        ("bulk/child.py", "training.run", "bulk is not allowed to import training"),
        ("bulk/images.py", "torch", "bulk is not allowed to import torch"),
        ("bulk/rows.py", "pipeline.gate.decision", "bulk is not allowed to import pipeline.gate"),
        ("bulk/job.py", "bulk.child", "bulk.job is not allowed to import bulk.child"),
        ("functions/pipeline/results/rows.py", "bulk.job", "pipeline is not allowed to import bulk"),
        ("podium/shown/results.py", "podium.commands.batch", "podium.shown is not allowed to import podium.commands"),
        (
            "podium/commands/stack.py",
            "podium.commands.model",
            "podium.commands.stack is not allowed to import podium.commands.model",
        ),
    ],
)
def test_an_arrow_that_runs_up_or_sideways_is_refused(house: Path, file: str, imported: str, refused: str) -> None:
    source = (house / file).read_text(encoding="utf-8")
    (house / file).write_text(f"{source}\nimport {imported}\n", encoding="utf-8")
    try:
        linted = lint_imports(house)
    finally:
        (house / file).write_text(source, encoding="utf-8")
    assert linted.returncode == 1
    assert refused in " ".join(linted.stdout.split())


@pytest.mark.parametrize(
    "file",
    [
        "functions/pipeline/new.py",
        "training/new.py",
        "inference/new.py",
        "model_server/proxy/new.py",
        "bulk/new.py",
        "podium/new.py",
        "podium/commands/new.py",
    ],
)
def test_a_module_that_no_rule_names_is_refused(house: Path, file: str) -> None:
    (house / file).touch()
    try:
        linted = lint_imports(house)
    finally:
        (house / file).unlink()
    module = file.removeprefix("functions/").removeprefix("model_server/").removesuffix(".py").replace("/", ".")
    assert linted.returncode == 1
    assert f"The following modules are not listed as layers: - {module} (" in " ".join(linted.stdout.split())


def test_the_handler_imports_what_lies_beside_it_in_the_archive_numpy_and_torch() -> None:
    """It is a module and no package, so the linter does not read it."""
    handler = ast.parse((ROOT / "model_server" / "handler.py").read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(handler)
        for name in (
            [it.name for it in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported - sys.stdlib_module_names <= {"inference", "numpy", "serving", "torch"}


def lint_imports(house: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(house / folder) for folder in ("functions", "model_server", "."))
    return subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=house, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
