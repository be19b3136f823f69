"""Names that no row has: known ones wait, unknown ones are told the nearest."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.batches.ledger import Ledger
from podium.batches.results import RowFilter
from podium.batches.unknown import unknown_name
from podium.connection import Connection
from tests.podium.conftest import INPUT


@pytest.fixture
def opened(monday: Connection) -> Connection:
    ledger, now = Ledger(monday.dynamodb_client, monday.facts.ledger), datetime.now(UTC)
    for batch in ("monday", "tuesday", "wednesday"):
        ledger.open(batch, expected=1, revision="r", now=now)
    for key in ("incoming/thursday/a.jpg", "incoming/monday/baseball/1.jpg"):
        monday.s3.put_object(Bucket=INPUT, Key=key, Body=b"photo")
    return monday


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"batch": "mondya"}, "there is no batch 'mondya'. Did you mean 'monday'?"),
        ({"batch": "zzz"}, "there is no batch 'zzz'."),
        ({"label": "basball"}, "no image is classified as 'basball'. Did you mean 'baseball'?"),
        ({"batch": "monday", "label": "rugby"}, "no image is classified as 'rugby'. Did you mean 'rugby ball'?"),
        (
            {"image": "incoming/monday/baseball/11.jpg"},
            "there is no image 'incoming/monday/baseball/11.jpg' in the input bucket."
            " Did you mean 'incoming/monday/baseball/1.jpg'?",
        ),
        (
            {"batch": "tuesdy", "image": "incoming/tuesday/5.jpg"},
            "there is no batch 'tuesdy'. Did you mean 'tuesday'?",
        ),
        ({"image": "nothing.jpg"}, "there is no image 'nothing.jpg' in the input bucket."),
        (
            {"image": "s3://elsewhere/1.jpg"},
            "s3://elsewhere/1.jpg has no result. Images of other buckets are classified by `podium backfill`.",
        ),
    ],
)
def test_an_unknown_name_is_told_the_nearest(opened: Connection, fields: dict[str, object], sentence: str) -> None:
    assert unknown_name(opened, RowFilter.model_validate(fields)) == sentence


@pytest.mark.parametrize(
    "fields",
    [
        {"batch": "wednesday"}, {"batch": "thursday"}, {"image": "incoming/thursday/a.jpg"},
        {"batch": "monday", "min_probability": 1.0}, {"batch": "tuesday", "label": "baseball"}, {"uncertain": True},
    ],
)  # fmt: skip
def test_a_known_name_without_rows_is_no_error(opened: Connection, fields: dict[str, object]) -> None:
    assert unknown_name(opened, RowFilter.model_validate(fields)) is None
