"""cfn-lint and checkov find nothing in any template, source and translated, but what is let be for a reason."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.gates.running import GATES, OWN, run
from tests.gates.shapes import shapes
from tests.gates.templates import FORMAT, ROOT, Json, name_of, templates, translated

REASON_WORDS = 5
CHECKOV, CFN_LINT = ROOT / ".checkov.yaml", ROOT / ".cfnlintrc"
DOCKERFILES = sorted(ROOT.glob("*/Dockerfile"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every template as CloudFormation gets it, and with the resources of each of its shapes."""
    folder = tmp_path_factory.mktemp("templates")
    for path in templates():
        (folder / f"{name_of(path)}-translated.json").write_text(json.dumps(translated(path)))
        for shape, resources in shapes(path):
            document = {FORMAT: "2010-09-09", "Resources": resources}
            (folder / f"{name_of(path)}-{shape}.json").write_text(json.dumps(document))
    return folder


def test_every_template_is_found() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in templates()}
    assert {"template.yaml", "model_server/gpu-stack.yaml"} <= names


def test_both_shapes_of_the_core_template_are_looked_at() -> None:
    least, most = (set(resources) for _, resources in shapes(ROOT / "template.yaml"))
    assert "EngineLayer" in str(least)
    assert "GateFunction" not in least
    assert "GateFunction" in most


def test_cfn_lint_finds_nothing_in_source_and_translated_templates(made: Path) -> None:
    linted = run(OWN / "cfn-lint", "--config-file", CFN_LINT, "--", *templates(), *made.glob("*-translated.json"))
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("{Resources: {Queue: {Type: AWS::SQS::Queue}}}", "I3011"),  # a rule that informs
        ("{Resources: {Bucket: {Type: AWS::S3::Buckets}}}", "E3006"),
    ],
)
def test_cfn_lint_with_this_configuration_still_finds(tmp_path: Path, template: str, found: str) -> None:
    (tmp_path / "template.yaml").write_text(template)
    linted = run(OWN / "cfn-lint", "--config-file", CFN_LINT, "--", tmp_path / "template.yaml")
    assert linted.returncode != 0
    assert found in linted.stdout


def test_checkov_finds_what_is_skipped_for_a_reason_and_nothing_else(made: Path, tmp_path: Path) -> None:
    """Without the list of skips: what it finds then is the list, so no skip is stale."""
    configuration = yaml.safe_load(CHECKOV.read_text())
    skipped = set(configuration["skip-check"])
    files = [word for path in [*templates(), *made.iterdir(), *DOCKERFILES] for word in ("--file", path)]
    scanned = run(
        GATES / "checkov", "--framework", *configuration["framework"], "--skip-download", "--output", "json", "--soft-fail",
        *files, folder=tmp_path,  # where no .checkov.yaml lies: it would be read
    )  # fmt: skip
    failed = {check["check_id"]: f"{check['resource']}: {check['check_name']}" for check in _failed(scanned.stdout)}
    found = [f"{name} {what}" for name, what in failed.items() if name not in skipped]
    assert not found, "\n".join(found)
    assert skipped - failed.keys() == set(), "these are skipped, and nothing finds them any more"


def _failed(output: str) -> Iterator[Json]:
    """The failed checks of a report; it is a JSON document for each folder."""
    decoder, reports, rest = json.JSONDecoder(), list[Json](), output.lstrip()
    while rest:
        found, end = decoder.raw_decode(rest)
        reports += found if isinstance(found, list) else [found]
        rest = rest[end:].lstrip()
    assert {report["check_type"] for report in reports} == {"cloudformation", "dockerfile"}
    for report in reports:
        assert report["summary"]["parsing_errors"] == 0
        yield from report["results"]["failed_checks"]


@pytest.mark.parametrize("file", [CFN_LINT, CHECKOV], ids=lambda path: path.name)
def test_whatever_is_let_be_has_its_reason_beside_it(file: Path) -> None:
    lines = re.findall(r"^  - (?:[A-Z]+\d+|CKV\w+)\b(.*)$", file.read_text(), re.MULTILINE)
    assert lines
    for line in lines:
        assert line.startswith("  # "), line
        assert len(line.split()) > REASON_WORDS, line


def test_a_skip_for_one_resource_has_its_reason_too() -> None:
    for path in templates():
        for resource in translated(path)["Resources"].values():
            for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
                assert len(skip["comment"].split()) > REASON_WORDS, skip


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_every_base_image_is_named_by_its_digest_and_may_be_another(path: Path) -> None:
    """checkov reads ${BASE} and not its value."""
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"^FROM (.+)$", text, re.MULTILINE) == ["${BASE}"]
    assert re.search(r"^ARG BASE=python:3\.13-slim-\w+@sha256:[0-9a-f]{64}$", text, re.MULTILINE)
