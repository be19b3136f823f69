"""Whatever a key or a message holds: a row, nothing to do, or one dead letter with its reason; never an exception.

Tried again is only what may go differently later: the model server, S3 or DynamoDB refuse, or the time is over.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.classify.read import our_orders_in
from pipeline.contracts import INCOMING_PREFIX, KEY_LIMIT_BYTES, RESULTS_PREFIX, ImageRef, Order
from pipeline.errors import MessageUnreadable
from tests.functions.conftest import INPUT, Aws
from tests.functions.factories import body_about, image_ref, s3_record, sqs_event
from tests.functions.hostile.keys import KEYS
from tests.functions.hostile.messages import GARBAGE, NOTHING_TO_DO, changed, sound
from tests.functions.invoking import failed, invoke

OTHER_BUCKET = "another-input"
ANY_KEY = (
    st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("/.%+ "), max_size=KEY_LIMIT_BYTES)
    .map(lambda name: INCOMING_PREFIX + name)
    .filter(lambda key: len(key.encode()) <= KEY_LIMIT_BYTES)
)


def outcome_of(body: str) -> tuple[Order, ...] | str:
    """The orders of the message, or why it is unreadable."""
    try:
        return our_orders_in(body)
    except MessageUnreadable as unreadable:
        return str(unreadable)


def assert_each_has_its_own_result(aws: Aws, images: list[ImageRef]) -> None:
    rows = {row.image: row for row in aws.rows()}
    assert set(rows) == {image.uri for image in images}
    assert len({row.result_key for row in rows.values()}) == len({image.uri for image in images})
    for image in images:
        row = rows[image.uri]
        assert row.version_id == image.version_id
        assert aws.result_of(row)["image"]["key"] == image.key
        assert row.result_key.startswith(RESULTS_PREFIX)
        assert len(row.result_key.encode()) <= KEY_LIMIT_BYTES


@pytest.mark.usefixtures("settings")
def test_every_hostile_key_gets_one_row_and_a_result_of_its_own(aws: Aws) -> None:
    images = [aws.upload(key) for key in KEYS]
    assert failed(invoke(sqs_event(*[body_about(image) for image in images]))) == []
    assert_each_has_its_own_result(aws, images)
    assert aws.dead_letters() == []


@pytest.mark.usefixtures("settings")
def test_every_hostile_key_is_understood_however_it_is_encoded_and_by_way_of_eventbridge(aws: Aws) -> None:
    """Upper and lower case hexadecimal, a space as + or as %20, more or less of it encoded."""
    encodings: list[Callable[[str], str]] = [
        quote_plus,
        quote,
        lambda key: quote_plus(key, safe="/"),
        lambda key: quote(key, safe="/~!*'()"),
    ]
    record = s3_record(image_ref())
    for key in KEYS:
        for encode in encodings:
            record["s3"]["object"]["key"] = encode(key)
            assert [order.image.key for order in our_orders_in(json.dumps({"Records": [record]}))] == [key]
        detail = {"bucket": {"name": INPUT}, "object": {"key": key, "size": 1, "version-id": "v1"}}
        bridged = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
        assert [order.image.key for order in our_orders_in(json.dumps(bridged))] == [key]


@given(st.lists(ANY_KEY, min_size=1, max_size=4, unique=True))
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.usefixtures("settings")
def test_any_keys_get_one_row_and_a_result_of_their_own(aws: Aws, keys: list[str]) -> None:
    images = [aws.upload(key) for key in keys]
    before = {row.image for row in aws.rows()} - {image.uri for image in images}
    assert failed(invoke(sqs_event(*[body_about(image) for image in images]))) == []
    rows = {row.image: row for row in aws.rows()}
    assert set(rows) - before == {image.uri for image in images}
    for image in images:
        assert aws.result_of(rows[image.uri])["image"]["version_id"] == rows[image.uri].version_id == image.version_id


@given(ANY_KEY, ANY_KEY, st.sampled_from([INPUT, OTHER_BUCKET]), st.sampled_from([INPUT, OTHER_BUCKET]))
def test_no_two_images_share_the_key_of_a_result(one: str, other: str, bucket: str, other_bucket: str) -> None:
    images = [image_ref(key=one, bucket=bucket), image_ref(key=other, bucket=other_bucket)]
    result_keys = {image.result_key(INPUT) for image in images}
    assert len(result_keys) == len({image.uri for image in images})
    for result_key in result_keys:
        assert result_key.startswith(RESULTS_PREFIX)
        assert len(result_key.encode()) <= KEY_LIMIT_BYTES


def test_no_two_hostile_keys_share_the_key_of_a_result() -> None:
    images = [image_ref(key=key, bucket=bucket) for key in KEYS for bucket in (INPUT, OTHER_BUCKET)]
    assert len({image.result_key(INPUT) for image in images}) == len(images)


def test_whatever_is_changed_in_a_message_it_is_read_or_refused_in_a_sentence_that_sqs_takes() -> None:
    """Nothing else is raised, and the sentence becomes an attribute of the dead letter."""
    sentences = [outcome for _, body in changed() if isinstance(outcome := outcome_of(body), str)]
    assert len(sentences) > 2_000
    assert [reason for reason in sentences if not reason or not reason.isascii() or not reason.isprintable()] == []


def test_a_changed_message_about_an_upload_is_passed_over_only_if_it_is_no_more_about_one_of_ours() -> None:
    """Another kind of event, another prefix, no record: acknowledged. A loss in anything else would be silent."""
    about_uploads = {name for name, message in sound().items() if outcome_of(json.dumps(message))}
    passed_over = {
        what for what, body in changed() if outcome_of(body) == () and what.partition(":")[0] in about_uploads
    }
    places = {what.partition(": ")[2].partition(" is ")[0] for what in passed_over}
    assert places == {
        "Records",  # an empty list
        "Records.0.eventName",
        "Records.0.s3.object.key",
        "detail-type",
        "detail.object.key",
    }


@pytest.mark.usefixtures("settings")
def test_every_order_that_is_still_read_after_a_change_ends_in_a_row(aws: Aws) -> None:
    """None is refused by S3, DynamoDB or the model server for ever; only a bucket that is not there may be there later."""
    names = ("sqs-s3-put 0", "sqs-eventbridge 0", "reclassify")
    outcomes = [(outcome_of(body), body) for what, body in changed() if what.startswith(names)]
    read = {order: body for outcome, body in outcomes if isinstance(outcome, tuple) for order in outcome}
    assert len(read) > 40
    again = failed(invoke(sqs_event(*read.values())))
    assert again == [f"m{n}" for n, order in enumerate(read) if order.image.bucket != INPUT]
    assert {row.image for row in aws.rows()} == {order.image.uri for order in read if order.image.bucket == INPUT}
    assert aws.dead_letters() == []


@pytest.mark.usefixtures("settings")
def test_whatever_is_refused_is_one_dead_letter_with_its_reason_and_harms_no_neighbour(aws: Aws) -> None:
    """One of each kind of refusal."""
    kinds = {reason[:64]: body for _, body in changed() if isinstance(reason := outcome_of(body), str)}
    refused = [*kinds.values(), *GARBAGE[-3:]]
    assert len(refused) > 30
    good = aws.upload("incoming/monday/ball.jpg")
    assert failed(invoke(sqs_event(*refused, body_about(good)))) == []
    assert aws.row().image == good.uri
    dead = all_dead_letters(aws)
    assert sorted(letter["Body"] for letter in dead) == sorted(refused)
    for letter in dead:
        facts = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
        assert (facts["code"], facts["reason"]) == ("unreadable", str(outcome_of(letter["Body"]))[:1000])


@pytest.mark.parametrize("body", GARBAGE, ids=lambda body: ascii(body[:30]))
def test_garbage_is_unreadable(body: str) -> None:
    assert isinstance(outcome_of(body), str)


@pytest.mark.parametrize("body", NOTHING_TO_DO)
def test_a_message_that_asks_for_nothing_has_nothing_to_do(body: str) -> None:
    assert outcome_of(body) == ()


def test_of_a_field_that_comes_twice_the_last_counts() -> None:
    body = body_about(image_ref(key="incoming/first.jpg")).replace(
        '"key": "incoming/first.jpg"', '"key": "incoming/first.jpg", "key": "incoming/last.jpg"'
    )
    assert [order.image.key for order in our_orders_in(body)] == ["incoming/last.jpg"]


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.99", "2"])
def test_every_minor_version_is_read_whatever_fields_it_adds(version: str) -> None:
    def with_more(node: Any) -> Any:  # noqa: ANN401 (JSON)
        if isinstance(node, dict):
            return {name: with_more(inner) for name, inner in node.items()} | {"unknownField": [{"deep": None}]}
        return [with_more(inner) for inner in node] if isinstance(node, list) else node

    message = with_more({"Records": [s3_record(image_ref()) | {"eventVersion": version}]})
    assert [order.image for order in our_orders_in(json.dumps(message))] == [image_ref()]


@pytest.mark.parametrize("version", ["1.0", "3.0", "20.1", "", "v2.1", "two"])
def test_every_other_major_version_is_refused_by_its_number(version: str) -> None:
    message = {"Records": [s3_record(image_ref()) | {"eventVersion": version}]}
    assert f"has version {version!r}" in str(outcome_of(json.dumps(message)))


FORGED: dict[str, list[Any]] = {
    "bucket": ["ab", "a" * 256, "../..", "arn:aws:s3:us-east-1:1:accesspoint/a", "a b", "é", "a\n"],
    "key": ["incoming/" + "a" * 1016, "é" * 513],
    "version_id": ["", "v" * 1025],
    "etag": ["", "a\r\nHost: example.com", "é"],
    "size_bytes": [2**63, 10**40],
    "batch": ["", "b" * 513],
    "model": ["", "../../models", "a/b", "a?b", "a\n", "é", "m" * 129],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in FORGED.items() for value in values])
def test_what_aws_or_the_model_server_would_never_take_is_unreadable_and_not_tried_ten_times(
    field: str,
    value: Any,  # noqa: ANN401 (JSON)
) -> None:
    record: dict[str, Any] = s3_record(image_ref()) | {"podium": {"sender": "reclassify", "batch": "monday"}}
    match field:
        case "bucket":
            record["s3"]["bucket"]["name"] = value
        case "batch":
            record["podium"]["batch"] = value
        case "model":
            record["podium"]["model"] = {"name": value, "version": "1.0"}
        case _:
            names = {"key": "key", "version_id": "versionId", "etag": "eTag", "size_bytes": "size"}
            record["s3"]["object"][names[field]] = quote_plus(value) if field == "key" else value
    reason = outcome_of(json.dumps({"Records": [record]}))
    assert isinstance(reason, str)
    assert reason.isascii()
    assert reason.isprintable()


def all_dead_letters(aws: Aws) -> list[Any]:
    """All of them, taken from their queue."""
    letters: list[Any] = []
    while some := aws.dead_letters():
        for letter in some:
            aws.sqs.delete_message(QueueUrl=aws.dlq_url, ReceiptHandle=letter["ReceiptHandle"])
        letters += some
    return letters
