"""docs/security.md: every threat is held by tests that exist, and what it says of configurations is so."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.gates.templates import ROOT, decoded

PAGE = ROOT / "docs" / "security.md"
LOCKS = sorted([*ROOT.glob("requirements/*.txt"), ROOT / "functions" / "requirements.txt"])
ROWS = {row.split("**")[1]: row for row in re.findall(r"^\| \*\*.*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)}


@cache
def functions_of(file: str) -> set[str]:
    path = ROOT / file
    assert path.is_file(), f"{file} does not exist"
    found = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("threat", ROWS)
def test_every_threat_is_held_by_tests_that_exist(threat: str) -> None:
    held_by = ROWS[threat].rstrip(" |").rpartition(" | ")[2]
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", held_by)
    assert named, threat
    assert len(named) == held_by.count("`") / 2, f"something in {held_by} is no test"
    for file, test in named:
        assert test in functions_of(file), f"{file} has no {test}"


@pytest.mark.parametrize(
    "threat",
    [
        "hostile image", "hostile archive", "hostile key", "hostile event", "stolen role", "ShellTorch", "smuggling", "bomb", "SSRF",
        "supply chain", "public bucket", "in logs", "Cost",
    ],
)  # fmt: skip
def test_the_threats_that_a_reader_looks_for_are_there(threat: str) -> None:
    assert [name for name in ROWS if threat in name]


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/security.md"])
def test_every_link_leads_to_a_file(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if not link.startswith("https://")]
    assert links
    for link in links:
        assert ((ROOT / page).parent / link).exists(), link


def test_torchserve_takes_models_from_its_command_line_alone() -> None:
    lines = (ROOT / "model_server" / "config.properties").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    assert settings["enable_model_api"] == "false"
    assert settings["allowed_urls"] == "file:///dev/null"
    assert settings["install_py_dep_per_model"] == "false"
    assert settings["enable_envvars_config"] == "false"
    addresses = {value for name, value in settings.items() if name.endswith("_address")}
    assert {re.split(r"//|:(?=\d)", address)[-2 if "://" in address else 0] for address in addresses} == {"127.0.0.1"}


def test_no_task_reaches_the_keys_of_its_machine() -> None:
    launch = decoded(ROOT / "model_server" / "gpu-stack.yaml")["Resources"]["HostTemplate"]["Properties"]
    machine = launch["LaunchTemplateData"]
    tokens, hops = (machine["MetadataOptions"][name] for name in ("HttpTokens", "HttpPutResponseHopLimit"))
    assert (tokens, hops) == ("required", 1)
    assert "ECS_AWSVPC_BLOCK_IMDS=true" in str(machine["UserData"])


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_lock_names_the_hash_of_every_package(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    packages = re.findall(r"^[a-z0-9][^ \n]*==", text, re.MULTILINE)
    with_hash = re.findall(r"^[a-z0-9][^ \n]*==[^\n]*\\\n\s+--hash=sha256:", text, re.MULTILINE)
    assert len(packages) == len(with_hash) > 0
    assert "--index-url" not in text
