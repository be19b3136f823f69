"""`podium doctor`: its lines, its document and its exit code."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from podium.app import app
from podium.doctor.finding import Finding
from podium.shown.doctor import finding_lines, findings_document

WELL = Finding("account", "bucket", "the name is free", "the stack makes it")
ILL = Finding("gpu", "quota", "0 vCPUs", "two machines want 8", "aws service-quotas request-service-quota-increase")


def test_what_is_well_has_one_line_and_what_is_not_its_reason_and_its_command() -> None:
    lines = [line.plain for line in finding_lines([WELL, ILL])]
    assert lines == [
        "AWS, for both shapes", "  ok    bucket: the name is free",
        "AWS, for the GPU path alone", "  mend  quota: 0 vCPUs",
        "          why: two machines want 8", "          aws service-quotas request-service-quota-increase",
    ]  # fmt: skip


def test_the_document_has_every_finding() -> None:
    document = findings_document([WELL, ILL])
    assert document["well"] is False
    assert json.loads(json.dumps(document))["findings"][1]["mend"] == ILL.mend


def test_of_this_machine_nothing_is_asked_of_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://127.0.0.1:1")
    ran = CliRunner().invoke(app, ["doctor", "--json"])
    parts = {one["part"] for one in json.loads(ran.stdout)["findings"]}
    assert parts == {"machine"}
