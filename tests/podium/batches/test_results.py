"""Reading rows by batch, label, probability, image and review."""

from __future__ import annotations

from podium.batches.results import RowFilter, find
from podium.connection import Connection
from tests.podium.conftest import INPUT


def keys(connection: Connection, **fields: object) -> list[str]:
    rows = find(connection, RowFilter.model_validate(fields)).rows
    return [row.image.removeprefix(f"s3://{INPUT}/incoming/") for row in rows]


def test_a_batch_is_read_whole(monday: Connection) -> None:
    assert len(keys(monday, batch="monday")) == 4


def test_a_label_is_read_most_confident_first(monday: Connection) -> None:
    assert keys(monday, label="baseball") == [
        "monday/baseball/1.jpg",
        "monday/golf ball/3.jpg",
        "monday/baseball/2.jpg",
    ]


def test_a_label_is_read_above_a_probability(monday: Connection) -> None:
    assert keys(monday, label="baseball", min_probability=0.7) == ["monday/baseball/1.jpg", "monday/golf ball/3.jpg"]


def test_an_image_is_found_by_its_uri_and_by_its_key(monday: Connection) -> None:
    assert keys(monday, image="incoming/tuesday/5.jpg") == ["tuesday/5.jpg"]
    assert keys(monday, image=f"s3://{INPUT}/incoming/tuesday/5.jpg") == ["tuesday/5.jpg"]


def test_an_image_of_another_batch_is_not_shown(monday: Connection) -> None:
    image = "incoming/tuesday/5.jpg"
    assert find(monday, RowFilter(batch="tuesday", image=image)).total == 1
    assert find(monday, RowFilter(batch="monday", image=image)).total == 0
    assert find(monday, RowFilter(label="baseball", image=image)).total == 0


def test_rejected_and_uncertain_images_are_read_by_status(monday: Connection) -> None:
    assert keys(monday, status="rejected") == ["monday/4.jpg"]
    assert keys(monday, uncertain=True) == ["monday/baseball/2.jpg"]
    assert keys(monday, batch="monday", status="classified", min_probability=0.9) == ["monday/baseball/1.jpg"]


def test_without_a_filter_the_limit_holds(monday: Connection) -> None:
    assert len(keys(monday, limit=2)) == 2


def test_rows_beyond_the_limit_are_counted_until_it_takes_too_long(monday: Connection) -> None:
    assert find(monday, RowFilter(limit=2)).in_words == "2 of 5 rows"
    assert find(monday, RowFilter(limit=2), count_to=2).in_words == "2 of more than 4 rows"
    assert find(monday, RowFilter(limit=2), count_to=3).in_words == "2 of 5 rows"
    assert find(monday, RowFilter(limit=5)).in_words == "5 rows"
    assert find(monday, RowFilter(batch="tuesday")).in_words == "1 row"


def put_again(connection: Connection, key: str, **changes: object) -> None:
    """The image's row of another model, with these attributes."""
    [row] = connection.table.query(
        KeyConditionExpression="image = :image", ExpressionAttributeValues={":image": f"s3://{INPUT}/{key}"}
    )["Items"]
    connection.table.put_item(Item={**row, "model": "balls@2.0", **changes})  # type: ignore[dict-item]


def test_final_is_one_row_for_each_image_the_last_of_its_latest_upload(monday: Connection) -> None:
    """In a rollout, or after a reclassification, an image may have a row of each model."""
    put_again(monday, "incoming/monday/baseball/1.jpg", classified_at="2026-01-02T00:00:00.000000Z")
    put_again(monday, "incoming/monday/golf ball/3.jpg", classified_at="2025-12-31T00:00:00.000000Z")
    put_again(
        monday,
        "incoming/monday/baseball/2.jpg",
        sequencer="09".ljust(32, "0"),
        classified_at="2026-01-02T00:00:00.000000Z",
    )
    assert len(find(monday, RowFilter(batch="monday")).rows) == 7
    final = find(monday, RowFilter(batch="monday", final=True)).rows
    models = {row.image.rpartition("/")[2]: row.model for row in final}
    assert models == {"1.jpg": "balls@2.0", "2.jpg": "balls@1.0", "3.jpg": "balls@1.0", "4.jpg": "balls@1.0"}
    one = RowFilter(image="incoming/monday/baseball/1.jpg", final=True)
    assert [row.model for row in find(monday, one).rows] == ["balls@2.0"]


def test_final_is_chosen_before_anything_else_narrows(monday: Connection) -> None:
    put_again(monday, "incoming/monday/baseball/1.jpg", label="rugby ball", classified_at="2026-01-02T00:00:00.000000Z")
    assert keys(monday, batch="monday", label="baseball", final=True) == [
        "monday/baseball/2.jpg",
        "monday/golf ball/3.jpg",
    ]
