"""Names that no row has: known ones wait, unknown ones get the nearest."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.batches.ledger import Ledger
from podium.batches.results import RowFilter, find
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
        ({"batch": "MONDAY"}, "there is no batch 'MONDAY'. Did you mean 'monday'?"),
        ({"label": "BASEBALL"}, "no image is classified as 'BASEBALL'. Did you mean 'baseball'?"),
        (
            {"image": "incoming/MONDAY/baseball/1.jpg"},
            "there is no image 'incoming/MONDAY/baseball/1.jpg' in the input bucket."
            " Did you mean 'incoming/monday/baseball/1.jpg'?",
        ),
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
        (
            {"image": "a.jpg"},
            "there is no image 'a.jpg' in the input bucket. Did you mean 'incoming/thursday/a.jpg'?",
        ),
        (
            {"image": "basebal/1.jpg"},
            "there is no image 'basebal/1.jpg' in the input bucket. Did you mean 'incoming/monday/baseball/1.jpg'?",
        ),
        (
            {"image": "incoming/thursda/a.jpg"},
            "there is no image 'incoming/thursda/a.jpg' in the input bucket. Did you mean 'incoming/thursday/a.jpg'?",
        ),
        ({"image": "incoming"}, "there is no image 'incoming' in the input bucket."),
        ({"image": "nothing.jpg"}, "there is no image 'nothing.jpg' in the input bucket."),
        (
            {"image": "s3://elsewhere/1.jpg"},
            "s3://elsewhere/1.jpg has no result. Images of other buckets are classified by `podium backfill`.",
        ),
    ],
)
def test_an_unknown_name_is_told_the_nearest(opened: Connection, fields: dict[str, object], sentence: str) -> None:
    assert unknown_name(opened, RowFilter.model_validate(fields)) == sentence


def test_the_name_in_the_table_is_told_the_whole_keys_of_its_images(opened: Connection) -> None:
    for batch in ("monday", "tuesday"):
        opened.s3.put_object(Bucket=INPUT, Key=f"incoming/{batch}/in/rej.jpg", Body=b"photo")
    for image in ("rej.jpg", "in/rej.jpg"):
        assert unknown_name(opened, RowFilter(image=image)) == (
            f"there is no image {image!r} in the input bucket."
            " Did you mean 'incoming/monday/in/rej.jpg' or 'incoming/tuesday/in/rej.jpg'?"
        )


@pytest.mark.parametrize(
    "fields",
    [
        {"batch": "wednesday"}, {"batch": "thursday"}, {"image": "incoming/thursday/a.jpg"},
        {"batch": "monday", "min_probability": 1.0}, {"batch": "tuesday", "label": "baseball"}, {"uncertain": True},
    ],
)  # fmt: skip
def test_a_known_name_without_rows_is_no_error(opened: Connection, fields: dict[str, object]) -> None:
    assert unknown_name(opened, RowFilter.model_validate(fields)) is None


LONG = "x" * 3000


@pytest.mark.parametrize(
    ("fields", "beginning"),
    [
        ({"batch": "a\udcff"}, "there is no batch 'a\\udcff'."),
        ({"batch": LONG}, "there is no batch 'xxxx"),
        ({"label": "a\udcff"}, "no image is classified as 'a\\udcff'."),
        ({"label": LONG}, "no image is classified as 'xxxx"),
        ({"image": "a\udcff"}, "there is no image 'a\\udcff': "),
        ({"image": LONG}, "there is no image 'xxxx"),
        ({"image": f"s3://b/{LONG}"}, "there is no image 's3://b/xxxx"),
        ({"image": f"s3://{LONG}/a"}, "'s3://xxxx"),
        ({"batch": "a\udcff", "label": "b\udcff"}, "there is no batch 'a\\udcff'."),
    ],
)
def test_a_name_that_nothing_can_have_is_unknown_without_a_request(
    connection: Connection, fields: dict[str, object], beginning: str
) -> None:
    """moto and AWS answer such a request with an error of their own."""
    row_filter = RowFilter.model_validate(fields)
    assert find(connection, row_filter).total == 0
    sentence = unknown_name(connection, row_filter)
    assert sentence is not None
    assert sentence.startswith(beginning)
    assert len(sentence) < 400
