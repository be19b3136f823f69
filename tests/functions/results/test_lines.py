"""Many results in one object: each is read by its row, whoever wrote what before or after it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.contracts import Classification, LabelProbability
from pipeline.results.lines import LINES_PREFIX, lines_of
from pipeline.results.reading import result_of
from pipeline.results.store import Store
from tests.functions.conftest import INPUT, RESULTS, TABLE, Aws
from tests.functions.factories import NOON, classification, image_ref, server_answer
from tests.functions.results.test_index_keys import size_of

LABELS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@pytest.fixture
def store(aws: Aws) -> Store:
    return Store(aws.s3, aws.dynamodb, RESULTS, TABLE, INPUT)


def results(*labels: str) -> list[Classification]:
    return [
        classification(
            image_ref(key=f"incoming/monday/{number}.jpg"),
            server_answer(predictions=[LabelProbability(label=label, probability=0.9)]),
        )
        for number, label in enumerate(labels)
    ]


def put_together(store: Store, done: list[Classification]) -> None:
    for it, place in zip(done, store.put_lines(done), strict=True):
        store.put_row_of(it, place)


def test_a_row_names_the_object_its_version_the_line_and_the_range(aws: Aws, store: Store) -> None:
    done = results("golf ball", "été", "baseball")
    put_together(store, done)
    rows = aws.rows()
    assert [row.result_line for row in rows] == [1, 2, 3]
    [key] = {row.result_key for row in rows}
    whole = aws.s3.get_object(Bucket=RESULTS, Key=key)
    body = whole["Body"].read()
    assert key == f"results/lines/{NOON:%Y-%m-%d}/{hashlib.sha256(body).hexdigest()[:32]}.jsonl"
    assert whole["ContentType"] == "application/jsonl"
    lines = body.decode().splitlines()
    assert [json.loads(line)["predictions"][0]["label"] for line in lines] == ["golf ball", "été", "baseball"]
    assert [result_of(aws.s3, RESULTS, row) for row in rows] == done


def test_both_kinds_are_read(aws: Aws, store: Store) -> None:
    one, *others = results("a", "b", "c")
    store.put(one)
    put_together(store, others)
    rows = aws.rows()
    assert [row.result_line for row in rows] == [None, 1, 2]
    assert [result_of(aws.s3, RESULTS, row) for row in rows] == [one, *others]


@hypothesis_settings(max_examples=30)
@given(st.lists(LABELS, min_size=1, max_size=32))
def test_a_range_is_its_line_whatever_is_in_it(labels: list[str]) -> None:
    """Line feeds, and what Unicode calls a line's end, in labels."""
    done = results(*labels)
    lines = lines_of(done)
    assert lines.body.count(b"\n") == len(done)
    for line, byte_range, expected in zip(lines.body.split(b"\n"), lines.ranges, done, strict=False):
        first, last = map(int, byte_range.removeprefix("bytes=").split("-"))
        assert lines.body[first : last + 1] == line
        assert Classification.model_validate_json(line) == expected


def test_the_same_results_have_the_same_name_and_others_another() -> None:
    one, other = results("a", "b"), results("a", "c")
    assert lines_of(one) == lines_of(one)
    assert lines_of(one).key != lines_of(other).key
    assert lines_of(one).key != lines_of(one[::-1]).key


def test_no_image_has_a_result_of_its_own_among_the_lines() -> None:
    for bucket, key in ((INPUT, "incoming/lines/a.jpg"), ("other", "lines/a.jpg"), (INPUT, "incoming/" + "x" * 1000)):
        assert not image_ref(bucket=bucket, key=key).result_key(INPUT).startswith(LINES_PREFIX)


@hypothesis_settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.permutations(range(4)), min_size=1, max_size=4))
def test_however_often_and_in_whatever_company_an_image_comes_again_its_row_names_its_own_result(
    aws: Aws, store: Store, deliveries: list[list[int]]
) -> None:
    done = results("a", "b", "c", "d")
    for order in deliveries:
        put_together(store, [done[number] for number in order[: 1 + order[0]]])
    for row in aws.rows():
        assert result_of(aws.s3, RESULTS, row).image.uri == row.image


def test_the_row_of_an_ordinary_image_costs_one_write_unit_in_lines_too() -> None:
    from pipeline.results.rows import row_of

    image = image_ref(key="incoming/monday/golf ball/000000.jpg", version_id="x" * 32)
    done = [classification(image, server_answer(uncertain="best probability 0.41 is below 0.53"))] * 20
    place: Any = lines_of(done).places("x" * 32)[-1]
    assert size_of(row_of(done[-1], *place)) < 1_024


def test_a_million_images_cost_a_twentieth_of_the_puts(aws: Aws, store: Store) -> None:
    """0.005 dollars for 1,000 PUTs: 5 dollars a million alone, 0.25 with 20 together."""
    puts: list[str] = []

    def note(params: dict[str, str], **_: object) -> None:
        puts.append(params["Key"])

    aws.s3.meta.events.register("before-parameter-build.s3.PutObject", note)
    for _ in range(5):
        put_together(store, results(*"abcdefghijklmnopqrst"))
    together = len(puts)
    for it in results(*"abcdefghijklmnopqrst"):
        store.put(it)
    aws.s3.meta.events.unregister("before-parameter-build.s3.PutObject", note)
    assert (together, len(puts) - together) == (5, 20)
