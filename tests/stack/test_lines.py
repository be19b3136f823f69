"""Many results in one object, on the deployed stack: they are read by their rows, and all commands work as before."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.conftest import PATIENCE_S, Console, Json, until

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def lines(stack: Console) -> Iterator[Console]:
    stack.podium("deploy", "--parameter", "Results=lines")
    yield stack
    stack.podium("deploy", "--parameter", "Results=each")


def test_results_lie_together_and_each_row_leads_to_its_own(
    lines: Console, facts: dict[str, str], photos: list[Path], tmp_path: Path
) -> None:
    for number, photo in enumerate(photos[:24]):
        shutil.copy(photo, tmp_path / f"{number:02}.jpg")
    (tmp_path / "bad.jpg").write_bytes(photos[0].read_bytes()[:300])
    lines.podium("drop", str(tmp_path), "--batch", "lines", "--wait", "--timeout", PATIENCE_S)
    rows = lines.results("lines")
    assert len(rows) == 25
    objects = {row["result_key"] for row in rows}
    assert len(objects) <= 10, "far fewer than images"
    assert all(key.startswith("results/lines/") for key in objects)
    for row in (rows[0], next(it for it in rows if it["status"] == "rejected")):
        result = ranged(lines, facts, row)
        assert f"s3://{result['image']['bucket']}/{result['image']['key']}" == row["image"]
        assert result["image"]["version_id"] == row["version_id"]
        assert [step["label"] for step in result["predictions"]] == [step["label"] for step in row["top3"]]
    summary = until("the batch is announced", lambda: summary_of(lines, facts))
    assert (summary["total"], summary["classified"], summary["rejected"]) == (25, 24, 1)


def test_what_was_stored_alone_and_what_lies_together_are_classified_again_alike(
    lines: Console, facts: dict[str, str]
) -> None:
    found = {}
    for batch in ("demo", "lines"):
        plan = lines.json("reclassify", "--model", facts["model"], "--batch", batch, "--again", "--dry-run")
        found[batch] = plan["images"]
    assert found == {"demo": 60, "lines": 25}  # the broken one, too: a model has looked at it


def ranged(stack: Console, facts: dict[str, str], row: dict[str, Json]) -> Json:
    """The line that the row names, as the AWS CLI reads it."""
    found = stack.shell(
        f"aws s3api get-object --bucket {facts['results_bucket']} --key '{row['result_key']}' --output json "
        f"--range '{row['result_range']}' /dev/stdout | head -c 100000"
    )
    result, _ = json.JSONDecoder().raw_decode(found)
    return result


def summary_of(stack: Console, facts: dict[str, str]) -> Json:
    there = stack.shell(f"aws s3 ls s3://{facts['results_bucket']}/batches/lines/ | grep -c summary.json || true")
    if there.strip() != "1":
        return None
    return json.loads(stack.shell(f"aws s3 cp s3://{facts['results_bucket']}/batches/lines/summary.json -"))
