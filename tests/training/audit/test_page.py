"""The page and the list that an audit leaves."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import pytest

from training.audit.audit import audit
from training.audit.folder import write_audit
from training.audit.issues import COLUMNS
from training.audit.page import SHOWN
from training.audit.records import AuditReport

pytestmark = pytest.mark.torch


def page_of(data: Path, out: Path) -> str:
    write_audit(audit(str(data), threads=1, command="podium audit <data>"), out)
    return (out / "audit.html").read_text(encoding="utf-8")


def test_the_page_needs_nothing_but_itself(data: Path, tmp_path: Path) -> None:
    shutil.copy(data / "train/baseball/000.jpg", data / "validation/baseball/copy.jpg")
    page = page_of(data, tmp_path)
    addresses = re.findall(r"""(?:src|href)=["']([^"']*)""", page)
    assert len(addresses) == 2
    assert all(address.startswith("data:image/jpeg;base64,") for address in addresses)
    assert "http" not in page.replace("data:image", "")
    assert "Leaks: 1" in page


def test_names_are_text_on_the_page_not_html(data: Path, tmp_path: Path) -> None:
    folder = data / "train" / "<b>bold & <script>"
    folder.mkdir()
    (folder / "<img src=x>.jpg").write_bytes(b"no picture")
    page = page_of(data, tmp_path)
    assert "<script>" not in page
    assert "<img src=x>" not in page
    assert "&lt;b&gt;bold &amp; &lt;script&gt;" in page


def test_the_page_shows_the_first_of_many_and_the_list_has_all(data: Path, tmp_path: Path) -> None:
    for number in range(SHOWN + 5):
        shutil.copy(data / "train/baseball/000.jpg", data / f"train/baseball/copy{number:03d}.jpg")
    page = page_of(data, tmp_path)
    assert f"Duplicates: {SHOWN + 5}" in page
    assert f"The first {SHOWN} are shown." in page
    assert page.count('class="card"') == SHOWN
    with (tmp_path / "issues.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len([row for row in rows if row["issue"] == "duplicate"]) == SHOWN + 5


def test_a_data_set_without_findings_has_a_page_too(drawn: Path, tmp_path: Path) -> None:
    page = page_of(drawn, tmp_path)
    assert 'class="card"' not in page
    report = AuditReport.model_validate_json((tmp_path / "audit.json").read_bytes())
    assert report.command == "podium audit <data>"
    assert report.seconds.keys() == {"reading", "duplicates", "labels"}
