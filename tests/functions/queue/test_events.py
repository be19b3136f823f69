"""Every way that S3's event may take to the queue, and what is not an event at all."""

from __future__ import annotations

import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts import ImageRef
from pipeline.errors import MessageUnreadable
from pipeline.queue.events import orders_in
from tests.functions.factories import ROOT, body_of, event, image_ref, s3_record

BALL = "s3://podium-input-000000000000-us-east-1/incoming/monday/ball.jpg"


def images_in(body: str) -> tuple[ImageRef, ...]:
    return tuple(order.image for order in orders_in(body))


@pytest.mark.parametrize(
    "name", ["sqs-s3-put", "sqs-sns-wrapped", "sqs-sns-raw", "sqs-schema-2.3", "sqs-schema-2.6-with-extras"]
)
def test_whatever_way_the_event_took_it_names_the_same_image(name: str) -> None:
    """Schema drift, and wrapped messages."""
    [image] = images_in(body_of(name))
    assert image.uri == BALL
    assert image.version_id == "096fKKXTRTtl3on89fVO.nfljtsv6q01"
    assert image.sequencer == "0055AED6DCD9028101"
    assert image.size_bytes == 48213
    assert image.batch == "monday"


def test_an_encoded_key_is_decoded_once() -> None:
    """Keys of notifications are URL-encoded, a space as `+`."""
    [image] = images_in(body_of("sqs-s3-put-odd-key"))
    assert image.key == "incoming/monday/été & 100% + ball #1 (copy).jpg"


def test_a_key_that_looks_encoded_after_decoding_is_left_alone() -> None:
    """`100%25.jpg` is a name that somebody may give."""
    [image] = images_in(json.dumps({"Records": [s3_record(image_ref(key="incoming/100%25+1.jpg"))]}))
    assert image.key == "incoming/100%25+1.jpg"


def test_an_eventbridge_key_is_taken_as_it_is() -> None:
    """Keys of EventBridge are not encoded."""
    [image] = images_in(body_of("sqs-eventbridge"))
    assert image.key == "incoming/monday/a+b%20 ball.jpg"
    assert image.version_id == "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e"
    assert image.etag == "b1946ac92492d2347c6235b4d2611184"


# As S3 writes keys (spaces as +), and as `sam local generate-event` does (spaces as %20).
ENCODINGS = (lambda key: quote_plus(key, safe="/"), lambda key: quote(key, safe="/"), quote_plus)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300).filter(
    lambda key: len(f"incoming/{key}".encode()) <= 1024
)
HARD_KEYS = st.text(alphabet="+%& /#?=\\été球🏀\n\"'", min_size=1, max_size=250)


@given(KEYS | HARD_KEYS)
def test_every_key_arrives_as_it_was_given(name: str) -> None:
    """Through a notification and through EventBridge it is the same object."""
    key = f"incoming/{name}"
    for encode in ENCODINGS:
        record = s3_record(image_ref())
        record["s3"]["object"]["key"] = encode(key)
        assert [image.key for image in images_in(json.dumps({"Records": [record]}))] == [key]
    bridged = json.loads(body_of("sqs-eventbridge"))
    bridged["detail"]["object"]["key"] = key
    assert [image.key for image in images_in(json.dumps(bridged))] == [key]


def test_every_record_of_a_message_is_read() -> None:
    """One message may name several images."""
    names = [image.key.removeprefix("incoming/monday/") for image in images_in(body_of("sqs-three-records-one-bad"))]
    assert names == ["one.jpg", "notes.jpg", "three.jpg"]


@pytest.mark.parametrize("name", ["sqs-s3-test-event", "sqs-sns-wrapped-test-event", "sqs-object-removed"])
def test_a_test_event_and_a_removal_ask_for_nothing(name: str) -> None:
    """S3 sends a test event whenever a notification is set."""
    for position in range(len(event(name)["Records"])):
        assert images_in(body_of(name, position)) == ()


def test_a_new_major_version_of_the_event_is_refused_with_its_number() -> None:
    """The event's schema has versions."""
    with pytest.raises(MessageUnreadable, match=r"version '3\.0', and we read 2\.x"):
        images_in(body_of("sqs-schema-3.0"))


@pytest.mark.parametrize(
    ("position", "reason"),
    [(0, "is not JSON"), (1, "not an object"), (2, "customer, order"), (3, "not URL-encoded UTF-8")],
)
def test_garbage_is_refused_with_what_is_wrong_about_it(position: int, reason: str) -> None:
    with pytest.raises(MessageUnreadable, match=reason):
        images_in(body_of("sqs-garbage", position))


def test_an_event_without_a_key_is_refused_by_the_name_of_what_it_lacks() -> None:
    record = s3_record(image_ref())
    del record["s3"]["object"]["key"]
    with pytest.raises(MessageUnreadable, match=r"object\.key: Field required"):
        images_in(json.dumps({"Records": [record]}))


def test_an_event_of_a_sender_that_gives_no_sequencer_is_read_and_counts_as_the_oldest() -> None:
    """moto and older emulators send none."""
    record = s3_record(image_ref())
    del record["s3"]["object"]["sequencer"]
    [image] = images_in(json.dumps({"Records": [record]}))
    assert image.ordinal < image_ref(sequencer="00000000000001").ordinal


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["Records", "Type", "Message", "s3", "detail"]), inner)
    ),
)


@given(st.text() | JSON_VALUES.map(json.dumps))
def test_no_message_raises_anything_but_that_it_is_unreadable(body: str) -> None:
    reason = ""
    try:
        assert images_in(body) == ()
    except MessageUnreadable as unreadable:
        reason = str(unreadable)
    assert reason.isascii()
    assert reason == "" or reason.isprintable(), "SQS refuses control characters in an attribute, and this becomes one"


def test_a_bottomless_message_is_unreadable_and_not_a_crash() -> None:
    with pytest.raises(MessageUnreadable, match="not JSON"):
        images_in("[" * 100_000)


def test_every_file_in_events_is_in_its_readme() -> None:
    readme = (ROOT / "events" / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in (ROOT / "events").glob("*.json") if f"`{path.name}`" not in readme] == []
