"""Results at rest: the last upload wins, in whatever order and however often events arrive."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.contracts import SEQUENCER_WIDTH, Classification, LabelProbability
from pipeline.results.rows import row_of
from pipeline.results.store import Store
from tests.functions.conftest import INPUT, RESULTS, TABLE, Aws
from tests.functions.factories import classification, image_ref, server_answer


@pytest.fixture
def store(aws: Aws) -> Store:
    return Store(aws.s3, aws.dynamodb, RESULTS, TABLE, INPUT)


def test_a_result_is_json_that_a_person_reads_and_a_program_reads_back(aws: Aws, store: Store) -> None:
    answer = server_answer(predictions=[LabelProbability(label="balle été", probability=0.9)])
    key, version_id = store.put_result(classification(image_ref(key="incoming/été/ball.jpg"), answer))
    stored = aws.s3.get_object(Bucket=RESULTS, Key=key, VersionId=str(version_id))
    text = stored["Body"].read().decode()
    assert key == "results/incoming/été/ball.jpg.json"
    assert stored["ContentType"] == "application/json"
    assert '\n      "label": "balle été",\n' in text
    assert Classification.model_validate_json(text).batch == "été"


def test_a_row_names_the_very_json_that_belongs_to_it(aws: Aws, store: Store) -> None:
    """Also when the JSON of an older upload, whose event comes late, is the latest of its key."""
    newer, older = image_ref(sequencer="02", version_id="v2"), image_ref(sequencer="01", version_id="v1")
    assert store.put(classification(newer)) == "stored"
    assert store.put(classification(older)) == "superseded"
    row = aws.row()
    assert row.version_id == "v2"
    assert aws.result_of(row)["image"]["version_id"] == "v2"
    latest = aws.s3.get_object(Bucket=RESULTS, Key=row.result_key)["Body"].read()
    assert json.loads(latest)["image"]["version_id"] == "v1"


def test_a_repeated_delivery_is_distinguished_from_a_new_upload(store: Store) -> None:
    """SQS delivers at least once."""
    puts = [store.put(classification(image_ref(sequencer=sequencer))) for sequencer in ("01", "01", "02", "01")]
    assert puts == ["stored", "repeated", "stored", "superseded"]


def test_two_models_have_a_row_each(aws: Aws, store: Store) -> None:
    for version in ("1.0", "1.1"):
        assert store.put(classification(answer=server_answer(model={"name": "balls", "version": version}))) == "stored"
    assert [row.model for row in aws.rows()] == ["balls@1.0", "balls@1.1"]


SEQUENCERS = st.text(alphabet="0123456789ABCDEF", min_size=1, max_size=20)
DELIVERIES = st.lists(SEQUENCERS, min_size=1, max_size=5, unique_by=lambda it: it.ljust(SEQUENCER_WIDTH, "0")).flatmap(
    lambda uploads: st.tuples(st.just(uploads), st.lists(st.sampled_from(uploads), max_size=3)).flatmap(
        lambda both: st.permutations(both[0] + both[1])
    )
)


@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deliveries=DELIVERIES)
def test_in_any_order_and_with_any_duplicates_the_last_upload_wins(
    aws: Aws, store: Store, deliveries: list[str]
) -> None:
    """Sequencers of any length, compared as S3 defines it."""
    aws.dynamodb.delete_item(
        TableName=TABLE, Key={"image": {"S": image_ref().uri}, "model": {"S": classification().model.ref}}
    )
    for sequencer in deliveries:
        result = classification(image_ref(sequencer=sequencer, version_id=f"version {sequencer}"))
        store.put_row(row_of(result, "results/a.json", None))
    last = max(deliveries, key=lambda sequencer: sequencer.ljust(SEQUENCER_WIDTH, "0"))
    assert aws.row().version_id == f"version {last}"


@given(SEQUENCERS, SEQUENCERS)
def test_sequencers_compare_as_s3_defines_it(one: str, other: str) -> None:
    """The shorter is padded on its right with zeros, then they compare as text; case does not matter."""
    width = max(len(one), len(other))
    assert (image_ref(sequencer=one).ordinal < image_ref(sequencer=other.lower()).ordinal) == (
        one.ljust(width, "0") < other.ljust(width, "0")
    )


@pytest.mark.parametrize("sequencer", ["0055AED6DCD90281E5Z", "A" * (SEQUENCER_WIDTH + 1)])
def test_a_sequencer_that_could_not_be_compared_is_refused(sequencer: str) -> None:
    with pytest.raises(ValidationError, match="sequencer"):
        image_ref(sequencer=sequencer)
