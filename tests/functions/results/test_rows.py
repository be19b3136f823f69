"""What a row contains, and that it agrees with the result."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pipeline.classify.conclusion import conclude
from pipeline.contracts import (
    INCOMING_PREFIX,
    KEY_LIMIT_BYTES,
    RESULTS_PREFIX,
    LabelProbability,
    Row,
)
from pipeline.errors import ImageRejected
from pipeline.results.rows import record_of, row_of
from tests.functions.factories import EXPECTED, JPEG, NOON, answered, classification, image_ref, order, server_answer

INPUT = image_ref().bucket
PROBABILITIES = st.floats(min_value=0, max_value=1)


def row_with(probability: float) -> dict[str, object]:
    prediction = LabelProbability(label="golf ball", probability=probability)
    return row_of(classification(answer=server_answer(predictions=[prediction])), "results/a.json", "v7")


def rejected_row() -> dict[str, object]:
    rejected = ImageRejected("empty", "The file is empty (0 bytes): upload it again.")
    result = conclude(answered(order(), rejected), EXPECTED)
    return row_of(result, "results/a.json", "v7")


def test_a_row_of_a_classified_image_reads_without_a_manual() -> None:
    row = row_of(classification(), "results/incoming/monday/ball.jpg.json", "v7")
    assert {name: value for name, value in row.items() if not name.endswith(("_shard", "_order"))} == {
        "image": "s3://podium-input-000000000000-us-east-1/incoming/monday/ball.jpg",
        "model": "balls@1.0",
        "status": "classified",
        "label": "golf ball",
        "probability": Decimal("0.900000"),
        "top3": [
            {"label": "golf ball", "probability": Decimal("0.900000")},
            {"label": "tennis ball", "probability": Decimal("0.060000")},
            {"label": "baseball", "probability": Decimal("0.020000")},
        ],
        "batch": "monday",
        "model_sha256": "5e" * 32,
        "size_bytes": Decimal(len(JPEG)),
        "etag": "b1946ac92492d2347c6235b4d2611184",
        "version_id": "v1",
        "sequencer": "0055AED6DCD90281E5" + "0" * 14,
        "result_key": "results/incoming/monday/ball.jpg.json",
        "result_version_id": "v7",
        "classified_at": "2026-11-21T12:00:00.000000Z",
        "schema_version": "1.0",
    }


def test_a_row_of_a_rejected_image_says_why_and_stays_out_of_the_label_index() -> None:
    row = rejected_row()
    assert (row["status"], row["review"], row["rejected_code"]) == ("rejected", "rejected", "empty")
    assert row["rejected_reason"] == "The file is empty (0 bytes): upload it again."
    assert not {"label", "probability", "model_sha256", "uncertain"} & row.keys()
    assert row["top3"] == []


def test_a_row_of_an_uncertain_image_is_to_be_reviewed() -> None:
    row = row_of(classification(answer=server_answer(uncertain="0.41 is below 0.53")), "results/a.json", None)
    assert (row["review"], row["uncertain"], row["status"]) == ("uncertain", "0.41 is below 0.53", "classified")
    assert "result_version_id" not in row


def test_an_image_outside_a_folder_has_no_batch() -> None:
    assert "batch" not in row_of(classification(image_ref(key="incoming/ball.jpg")), "results/a.json", None)


@given(PROBABILITIES, PROBABILITIES)
def test_probabilities_keep_their_order_and_six_places(one: float, other: float) -> None:
    """DynamoDB takes no float."""
    encoded_one, encoded_other = row_with(one)["probability"], row_with(other)["probability"]
    assert isinstance(encoded_one, Decimal)
    assert isinstance(encoded_other, Decimal)
    assert (encoded_one <= encoded_other) if one <= other else (encoded_one >= encoded_other)
    assert abs(encoded_one - Decimal(one)) <= Decimal("0.0000005")
    assert encoded_one.as_tuple().exponent == -6


@given(st.text(min_size=1), PROBABILITIES)
def test_a_row_reads_back_as_it_was_written(label: str, probability: float) -> None:
    """Labels with # and in any script."""
    answer = server_answer(predictions=[LabelProbability(label=label, probability=probability)])
    row = record_of(row_of(classification(answer=answer), "results/a.json", "v7"))
    assert row.label == label
    assert row.probability == round(probability, 6)
    assert row.top3 == (LabelProbability(label=label, probability=round(probability, 6)),)
    assert row.classified_at == NOON


def test_a_rejected_row_reads_back_as_it_was_written() -> None:
    row = record_of(rejected_row())
    assert row == Row.model_validate(row.model_dump())
    assert (row.rejected_code, row.label, row.size_bytes) == ("empty", None, len(JPEG))


def test_two_buckets_may_hold_the_same_key() -> None:
    """Two buckets may hold the same key."""
    rows = [row_of(classification(image_ref(bucket=bucket)), "results/a.json", None) for bucket in ("one", "two")]
    assert len({row["image"] for row in rows}) == 2


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=1100))
def test_a_result_lies_outside_the_watched_uploads_and_fits_into_a_key(name: str) -> None:
    """A result that fell under incoming/ would classify itself."""
    key = image_ref(key=f"{INCOMING_PREFIX}{name}").result_key(INPUT)
    assert key.startswith(RESULTS_PREFIX)
    assert not key.startswith(INCOMING_PREFIX)
    assert len(key.encode()) <= KEY_LIMIT_BYTES


def test_the_longest_name_keeps_its_batch_and_gets_a_result_of_its_own() -> None:
    longest = image_ref(key="incoming/monday/" + "x" * (KEY_LIMIT_BYTES - 16))
    row = row_of(classification(longest), longest.result_key(INPUT), None)
    assert row["batch"] == "monday"
    assert row["image"] == longest.uri
    assert row["result_key"] != image_ref(key=longest.key[:-1] + "y").result_key(INPUT)
