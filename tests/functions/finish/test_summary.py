"""The table of a complete batch."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

from pipeline.batches.outcomes import Outcome
from pipeline.finish.summary import write_table


def test_no_name_in_the_table_steers_a_terminal_or_is_a_formula() -> None:
    outcome = Outcome(
        status="classified", steps=(("=cmd()", 0.9), ("\x1b[31mred", 0.1)), uncertain="+1\u202e", rejected_code=None,
        rejected_reason=None, image="s3://photos/=a\n.jpg", version_id=None, etag=None, model="balls@1.0", classified_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    file = io.StringIO()
    write_table({"s3://photos/=a\n.jpg": outcome}, file)
    (row,) = csv.DictReader(io.StringIO(file.getvalue()))
    assert (row["image"], row["key"]) == ("s3://photos/=a␊.jpg", "'=a␊.jpg")
    assert (row["label1"], row["probability1"], row["label2"]) == ("'=cmd()", "0.9", "␛[31mred")
    assert row["uncertain"] == "'+1\ufffd"
