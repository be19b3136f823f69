"""The keys by which the indexes find a row: short enough, spread over shards, and in the right order."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts import Classification, LabelProbability
from pipeline.results.index_keys import INDEXES, SHARDS, cut, shard_of
from pipeline.results.rows import row_of
from tests.functions.factories import classification, image_ref, server_answer
from tests.functions.results.test_rows import rejected_row
from tests.functions.template import resources

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=1100)
TRIPLE = [("golf ball", 0.5), ("tennis ball", 0.3), ("baseball", 0.1)]


def row(key: str = "incoming/monday/ball.jpg", steps: Any = TRIPLE, **changes: object) -> dict[str, Any]:  # noqa: ANN401
    predictions = [LabelProbability(label=label, probability=probability) for label, probability in steps]
    done = classification(image_ref(key=key), server_answer(predictions=predictions, **changes))
    return row_of(done, "results/a.json", "v7")


def test_a_classified_row_is_found_by_batch_and_by_label() -> None:
    keys = {name: value for name, value in row().items() if name.endswith(("_shard", "_order"))}
    shard, (_, _, place) = keys["batch_shard"][-2:], keys["batch_order"].rpartition(" ")
    assert shard == f"{shard_of(row()['image']):02}"
    assert keys == {
        "batch_shard": f"monday/{shard}",
        "batch_order": f"golf ball 0.500000 {place}",
        "label_shard": f"golf ball/{shard}",
        "label_order": f"0.500000 {place}",
    }


def test_an_uncertain_row_is_found_among_those_to_review_by_its_margin() -> None:
    found = row(uncertain="0.5 is below 0.53")
    assert found["review_shard"].startswith("uncertain/")
    assert found["review_order"].startswith("monday 0.200000 ")
    assert row(steps=TRIPLE[:1], uncertain="?")["review_order"].startswith("monday 0.500000 ")


def test_a_rejected_row_is_found_by_batch_and_by_its_code_and_by_no_label() -> None:
    found = rejected_row()
    assert str(found["batch_order"]).startswith(" empty ")
    assert str(found["review_shard"]).startswith("rejected/")
    assert str(found["review_order"]).startswith("monday empty ")
    assert "label_shard" not in found


def test_a_row_without_a_batch_is_in_no_batch() -> None:
    found = row("incoming/ball.jpg", uncertain="?")
    assert "batch_shard" not in found
    assert found["review_order"].startswith(" 0.200000 ")


@given(label=TEXT, batch=TEXT.map(lambda name: name.replace("/", "-")))
def test_keys_of_any_names_fit_and_are_text(label: str, batch: str) -> None:
    """DynamoDB: 2,048 bytes of a hash key, 1,024 of a range key, and none of them empty."""
    found = row(f"incoming/{batch}/a.jpg", steps=[(label, 0.5)], uncertain="?")
    for index in INDEXES:
        assert 0 < len(found[index.hash_key].encode()) <= 2048
        assert 0 < len(found[index.range_key].encode()) <= 1024


@given(name=TEXT)
def test_a_name_is_cut_at_a_character(name: str) -> None:
    assert name.startswith(cut(name))
    assert len(cut(name).encode()) > 896 or cut(name) == name


@given(st.lists(st.integers(0, 1_000_000), min_size=2, max_size=9))
def test_rows_of_a_label_are_ordered_as_their_probabilities_are(millionths: list[int]) -> None:
    rows = [row(f"incoming/monday/{n}", steps=[("ball", it / 1e6)]) for n, it in enumerate(millionths)]
    for attribute in ("label_order", "batch_order"):
        found = [it["probability"] for it in sorted(rows, key=lambda it: it[attribute])]
        assert all(one <= other for one, other in pairwise(found))


def test_a_batch_of_one_label_is_spread_evenly() -> None:
    """A shard takes 1,000 writes a second; the fullest of them decides."""
    rows = [row(f"incoming/monday/{number}.jpg") for number in range(8_000)]
    for index in (INDEXES[0], INDEXES[1]):
        shards = Counter(it[index.hash_key] for it in rows)
        assert len(shards) == SHARDS
        assert max(shards.values()) < 1.2 * len(rows) / SHARDS
    assert SHARDS * 1_000 / 1.2 > 1e9 / 86_400, "10^9 images a day"


def test_rows_of_one_image_under_two_models_are_in_one_shard_at_two_places() -> None:
    one, other = (row(model={"name": "balls", "version": version}) for version in ("1.0", "1.1"))
    assert one["batch_shard"] == other["batch_shard"]
    assert one["batch_order"] != other["batch_order"]


def test_a_row_of_an_ordinary_image_costs_one_write_unit_in_the_table_and_in_each_index() -> None:
    """A write unit is 1,024 bytes: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html"""
    image = image_ref(
        key="incoming/monday/golf ball/000000.jpg", version_id="x" * 32, bucket="podium-input-000000000000-us-east-1"
    )
    sizes = []
    for uncertain in (None, "best probability 0.41 is below 0.53"):
        done: Classification = classification(image, server_answer(uncertain=uncertain))
        whole = row_of(done, image.result_key(image.bucket), "x" * 32)
        plain = {name: value for name, value in whole.items() if not name.endswith(("_shard", "_order"))}
        sizes.append((size_of(plain), size_of(whole)))
    assert sizes == [(638, 763), (697, 890)], "docs/operations.md has these figures"


def size_of(item: dict[str, Any]) -> int:
    """Bytes, as DynamoDB counts them."""

    def of(value: Any) -> int:  # noqa: ANN401
        match value:
            case str():
                return len(value.encode())
            case Decimal():
                return 1 + (len(value.as_tuple().digits) + 1) // 2 + (value < 0)
            case list():
                return 3 + sum(1 + of(it) for it in value)
            case dict():
                return 3 + sum(1 + len(name) + of(it) for name, it in value.items())
        raise TypeError(value)

    return sum(len(name) + of(value) for name, value in item.items())


def test_the_template_has_these_indexes() -> None:
    table = resources()["ResultsTable"]["Properties"]
    keys = {
        it["IndexName"]: [key["AttributeName"] for key in it["KeySchema"]] for it in table["GlobalSecondaryIndexes"]
    }
    assert keys == {index.name: [index.hash_key, index.range_key] for index in INDEXES}
