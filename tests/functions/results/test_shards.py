"""Reading an index that is spread over shards: every row, in order, from any place on."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from pipeline.contracts import LabelProbability
from pipeline.results.index_keys import BY_BATCH, BY_LABEL, BY_REVIEW, SHARDS, cut
from pipeline.results.rows import row_of
from pipeline.results.shards import Value, all_rows, of_batch, of_label, rows_in_order, to_review
from tests.functions.conftest import TABLE, Aws
from tests.functions.factories import classification, image_ref, server_answer

TO_REVIEW = 0.5  # a probability below is uncertain


def put(aws: Aws, key: str, label: str = "ball", probability: float = 0.9) -> None:
    answer = server_answer(
        predictions=[LabelProbability(label=label, probability=probability)],
        uncertain="?" if probability < TO_REVIEW else None,
    )
    row = row_of(classification(image_ref(key=f"incoming/{key}"), answer), "results/a.json", None)
    serialize = TypeSerializer().serialize
    aws.dynamodb.put_item(TableName=TABLE, Item={name: serialize(value) for name, value in row.items()})


def names(rows: Any) -> list[str]:  # noqa: ANN401
    return [row["image"]["S"].partition("/incoming/")[2] for row in rows]


def read(aws: Aws, value: Value, **how: Any) -> list[str]:  # noqa: ANN401
    return names(rows_in_order(aws.dynamodb, TABLE, value, **how))


@pytest.fixture
def many(aws: Aws) -> Aws:
    """40 rows of two batches and two labels; many have the same probability."""
    for number in range(40):
        put(
            aws, f"{'mo' if number % 5 else 'tu'}/{number:02}", ("cup", "ball")[number % 2], (0.1, 0.6, 0.9)[number % 3]
        )
    return aws


VALUES = [of_batch("mo"), of_batch("mo", "ball"), of_batch("mo", "ball", least=0.6), of_label("ball"),
          of_label("cup", least=0.5), to_review("uncertain"), to_review("uncertain", "mo")]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_all_rows_and_the_rows_in_order_are_the_same(many: Aws, value: Value) -> None:
    ascending = read(many, value)
    assert len(ascending) == len(set(ascending)) > 3
    assert sorted(ascending) == sorted(names(all_rows(many.dynamodb, TABLE, value)))
    assert read(many, value, descending=True) == ascending[::-1]
    wrong = [it for it in ascending if value.index is not BY_LABEL and "mo" in str(value) and not it.startswith("mo/")]
    assert wrong == []


def test_rows_of_a_label_come_by_probability(many: Aws) -> None:
    rows = list(rows_in_order(many.dynamodb, TABLE, of_label("ball"), descending=True))
    probabilities = [float(row["probability"]["N"]) for row in rows]
    assert probabilities == sorted(probabilities, reverse=True)
    assert {row["label"]["S"] for row in rows} == {"ball"}
    assert {row["batch"]["S"] for row in rows} == {"mo", "tu"}
    least = rows_in_order(many.dynamodb, TABLE, of_label("ball", least=0.6))
    assert {row["probability"]["N"] for row in least} == {"0.600000", "0.900000"}


def test_what_is_to_be_reviewed_comes_by_batch_then_by_margin(many: Aws) -> None:
    put(many, "mo/doubtful", probability=0.05)
    found = read(many, to_review("uncertain"))
    assert [it.partition("/")[0] for it in found] == sorted(it.partition("/")[0] for it in found)
    assert found[0] == "mo/doubtful"


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("size", [2, 7])
@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_page_by_page_no_row_is_lost_and_none_comes_twice(many: Aws, value: Value, size: int, descending: bool) -> None:
    whole = list(rows_in_order(many.dynamodb, TABLE, value, descending=descending))
    paged: list[Any] = []
    while True:
        after = paged[-1][value.index.range_key]["S"] if paged else None
        page = rows_in_order(many.dynamodb, TABLE, value, after=after, descending=descending, few=size)
        some = list(islice(page, size))
        if not some:
            break
        paged += some
    assert paged == whole


def test_a_page_stays_where_it_is_while_rows_come_before_and_after_it(many: Aws) -> None:
    value = of_label("ball")
    first = list(islice(rows_in_order(many.dynamodb, TABLE, value), 8))
    rest = read(many, value)[8:]
    put(many, "mo/before", probability=0.05)
    put(many, "mo/after", probability=0.95)
    assert read(many, value, after=first[-1]["label_order"]["S"]) == [*rest, "mo/after"]


def test_a_page_reads_about_as_many_rows_as_it_has(aws: Aws) -> None:
    for number in range(400):
        put(aws, f"mo/{number}")
    read_rows: list[int] = []
    aws.dynamodb.meta.events.register(
        "after-call.dynamodb.Query", lambda parsed, **_: read_rows.append(parsed["ScannedCount"]), unique_id="counts"
    )
    try:
        assert len(list(islice(rows_in_order(aws.dynamodb, TABLE, of_batch("mo"), few=50), 50))) == 50
    finally:
        aws.dynamodb.meta.events.unregister("after-call.dynamodb.Query", unique_id="counts")
    assert sum(read_rows) <= 3 * 50 + 5 * SHARDS


def test_names_that_begin_alike_are_told_apart(aws: Aws) -> None:
    """Also those of which the keys have only the beginning."""
    long = "x" * 1_000
    for label in ("ball", "ball 0.5", "ball 1", f"{long}a", f"{long}b"):
        put(aws, f"mo/{label[-8:]}", label)
    assert cut(f"{long}a") == cut(f"{long}b")
    for label in ("ball", "ball 0.5", "ball 1", f"{long}a", f"{long}b"):
        assert read(aws, of_batch("mo", label)) == read(aws, of_label(label)) == [f"mo/{label[-8:]}"]
    for batch in ("a", "a 0.1", "a 1", f"{long}c", f"{long}d"):
        put(aws, f"{batch}/x", probability=0.1)
    for batch in ("a", "a 0.1", "a 1", f"{long}c", f"{long}d"):
        assert read(aws, to_review("uncertain", batch)) == read(aws, of_batch(batch)) == [f"{batch}/x"]


def test_only_what_is_wanted_comes(many: Aws) -> None:
    row = next(all_rows(many.dynamodb, TABLE, of_batch("mo", "ball", wanted=("image", "status"))))
    assert row.keys() == {"image", "status"}


def test_each_value_is_of_its_index() -> None:
    assert {it.index for it in VALUES} == {BY_BATCH, BY_LABEL, BY_REVIEW}
