"""Orders: what a message requests besides its image, on their way through the Lambda; and the last receive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts import SEQUENCER_WIDTH, ModelFacts, Order
from pipeline.queue.events import orders_in
from pipeline.queue.orders import body_of, just_after, send
from tests.functions.conftest import INPUT, Aws
from tests.functions.factories import JPEG, body_about, image_ref, order, server_answer, sqs_event
from tests.functions.fake_model_server import ModelServer, Reply, answering
from tests.functions.invoking import failed, invoke

SECOND = ModelFacts(name="balls", version="2.0")


@given(
    key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
    batch=st.none() | st.text(min_size=1, max_size=10),
    version_id=st.none() | st.text(min_size=1, max_size=10),
    model=st.none() | st.just(SECOND),
)
def test_an_order_that_we_write_is_the_order_that_we_read(
    key: str, batch: str | None, version_id: str | None, model: ModelFacts | None
) -> None:
    original = Order(image=image_ref(key=key, version_id=version_id), sender="backfill", batch=batch, model=model)
    assert orders_in(body_of(original)) == (original,)


def test_an_upload_is_an_order_for_the_configured_model_in_the_batch_of_its_folder() -> None:
    [read] = orders_in(body_about(image_ref()))
    assert (read.sender, read.batch, read.model) == ("upload", "monday", None)


def test_orders_are_sent_one_message_each(aws: Aws) -> None:
    orders = [order(image_ref(key=f"incoming/monday/{n}.jpg"), sender="backfill") for n in range(40)]
    assert send(orders, aws.sqs, aws.queue_url) == 40
    waiting = aws.sqs.get_queue_attributes(QueueUrl=aws.queue_url, AttributeNames=["ApproximateNumberOfMessages"])
    assert waiting["Attributes"]["ApproximateNumberOfMessages"] == "40"


@pytest.mark.usefixtures("settings")
def test_an_order_for_another_model_version_leaves_the_old_row(aws: Aws, model_server: ModelServer) -> None:
    image = aws.upload("incoming/monday/ball.jpg")
    invoke(sqs_event(body_about(image)))
    model_server.reply = lambda _: Reply(200, server_answer(model=SECOND).model_dump_json().encode())
    again = Order(image=image, sender="reclassify", batch="monday", model=SECOND)
    assert failed(invoke(sqs_event(body_of(again)))) == []
    assert model_server.paths == ["/predictions/balls", "/predictions/balls/2.0"]
    assert [row.model for row in aws.rows()] == ["balls@1.0", "balls@2.0"]
    first, second = aws.rows()
    assert first.result_version_id != second.result_version_id, "each row names the version of the JSON that is its own"
    assert aws.result_of(first)["model"]["version"] == "1.0"


@pytest.mark.usefixtures("settings")
def test_an_image_of_another_bucket_has_its_job_as_batch_and_a_result_of_its_own(aws: Aws) -> None:
    """The same key in two buckets."""
    aws.s3.create_bucket(Bucket="archive")
    ours, theirs = aws.upload("incoming/monday/ball.jpg"), aws.upload("incoming/monday/ball.jpg", bucket="archive")
    backfilled = Order(
        image=theirs.model_copy(update={"version_id": None, "sequencer": ""}), sender="backfill", batch="job-1"
    )
    assert failed(invoke(sqs_event(body_about(ours), body_of(backfilled)))) == []
    rows = {row.batch: row for row in aws.rows()}
    assert rows["job-1"].image == "s3://archive/incoming/monday/ball.jpg"
    assert rows["job-1"].result_key == "results/from/archive/incoming/monday/ball.jpg.json"
    assert rows["monday"].result_key == "results/incoming/monday/ball.jpg.json"


@pytest.mark.usefixtures("settings")
def test_a_backfill_never_overtakes_a_newer_live_event(aws: Aws) -> None:
    """A backfilled object has no sequencer: nothing says when it was uploaded."""
    old = aws.upload("incoming/monday/ball.jpg")
    new = aws.upload("incoming/monday/ball.jpg", JPEG + b"newer")
    invoke(sqs_event(body_about(new)))
    listed = Order(image=old.model_copy(update={"sequencer": ""}), sender="backfill", batch="job-1")
    assert failed(invoke(sqs_event(body_of(listed)))) == []
    assert aws.row().version_id == new.version_id
    assert aws.row().batch == "monday"


@given(st.from_regex(r"[0-9A-F]{16,24}", fullmatch=True), st.from_regex(r"[0-9A-F]{16,24}", fullmatch=True))
def test_just_after_lies_between_an_upload_and_every_later_one(one: str, other: str) -> None:
    earlier, later = sorted([one.ljust(SEQUENCER_WIDTH, "0"), other.ljust(SEQUENCER_WIDTH, "0")])
    if earlier == later:
        return
    assert earlier < just_after(earlier) < later
    assert len(just_after(earlier)) == SEQUENCER_WIDTH


@pytest.mark.usefixtures("settings")
def test_what_fails_for_the_last_time_is_a_dead_letter_that_says_why(aws: Aws, model_server: ModelServer) -> None:
    """SQS would move it after this receive, and leave no reason."""
    model_server.reply = lambda _: Reply(503, b"no workers")
    body = body_about(aws.upload("incoming/monday/ball.jpg"))
    assert failed(invoke(sqs_event(body, receive_count=9))) == ["m0"]
    assert aws.dead_letters() == []
    assert failed(invoke(sqs_event(body, receive_count=10))) == []
    [dead] = aws.dead_letters()
    attributes = {name: attribute["StringValue"] for name, attribute in dead["MessageAttributes"].items()}
    assert attributes["code"] == "given_up"
    assert attributes["reason"].startswith("tried 10 times, at last: ")
    assert "answered 503" in attributes["reason"]
    assert dead["Body"] == body
    model_server.reply = lambda _: answering()
    assert failed(invoke(sqs_event(dead["Body"]))) == []
    assert aws.row().status == "classified"


@pytest.mark.usefixtures("settings")
def test_a_dead_letter_that_cannot_be_written_stays_with_sqs(aws: Aws, model_server: ModelServer) -> None:
    model_server.reply = lambda _: Reply(503, b"no workers")
    body = body_about(aws.upload("incoming/monday/ball.jpg"))
    aws.sqs.delete_queue(QueueUrl=aws.dlq_url)
    assert failed(invoke(sqs_event(body, receive_count=10))) == ["m0"], "SQS moves it by its own rule"


def test_a_reason_with_characters_that_sqs_refuses_is_still_sent(aws: Aws) -> None:
    from pipeline.queue.messages import Queue
    from tests.functions.factories import message

    Queue(aws.sqs, aws.queue_url, aws.dlq_url).bury(message("x"), "unreadable", "key \x00\x0b\ufffe" + "y" * 5000)
    [dead] = aws.dead_letters()
    assert dead["MessageAttributes"]["reason"]["StringValue"].startswith("key    yyy")


def test_a_result_of_the_input_bucket_lies_by_its_key_alone() -> None:
    assert image_ref(key="incoming/a.jpg", bucket=INPUT).result_key(INPUT) == "results/incoming/a.jpg.json"
