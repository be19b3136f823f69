"""The Lambda, from the SQS event to its response: real HTTP to a model server, AWS in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import ClientError, ConnectionClosedError

from pipeline.classify.answer import Response
from pipeline.classify.clock import Clock
from pipeline.classify.connections import Connections
from pipeline.classify.handler import classify_messages
from pipeline.contracts import ModelFacts, Order
from pipeline.queue.messages import SqsBatch
from pipeline.queue.orders import body_of
from pipeline.settings import Settings
from pipeline.telemetry import metrics
from tests.functions.conftest import INPUT, RESULTS, Aws
from tests.functions.factories import ANSWERED, JPEG, body_about, event, server_answer, sqs_event
from tests.functions.fake_model_server import ModelServer, Reply, answering
from tests.functions.invoking import WatchedPool, counted, failed, invoke, metrics_of

pytestmark = pytest.mark.usefixtures("settings")


@pytest.fixture(autouse=True)
def _no_metrics_of_another_test() -> Iterator[None]:
    yield
    metrics.clear_metrics()


def test_an_upload_becomes_a_row_and_the_json_that_it_names(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    image = aws.upload("incoming/monday/été & 100% + ball #1 (copy).jpg")
    assert invoke(sqs_event(body_about(image))) == {"batchItemFailures": []}
    row = aws.row()
    assert (row.image, row.label, row.batch, row.version_id) == (image.uri, "golf ball", "monday", image.version_id)
    assert [step["label"] for step in aws.result_of(row)["predictions"]] == ["golf ball", "tennis ball", "baseball"]
    assert counted(metrics_of(capsys)) == {"ImagesClassified": 1}


@pytest.mark.parametrize("name", ["sqs-s3-test-event", "sqs-object-removed", "sqs-not-our-prefix"])
def test_a_message_that_asks_for_nothing_is_acknowledged(aws: Aws, model_server: ModelServer, name: str) -> None:
    """S3 sends a test event whenever a notification is set; here it is alone."""
    assert invoke(event(name)) == {"batchItemFailures": []}
    assert (aws.rows(), aws.dead_letters(), model_server.paths) == ([], [], [])


def test_a_test_event_does_not_harm_the_upload_beside_it(aws: Aws) -> None:
    """S3 sends a test event whenever a notification is set."""
    test_event = event("sqs-s3-test-event")["Records"][0]["body"]
    assert failed(invoke(sqs_event(test_event, body_about(aws.upload("incoming/monday/ball.jpg"))))) == []
    assert aws.row().label == "golf ball"


def test_an_unreadable_message_goes_to_the_dead_letters_once_and_harms_no_other(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    garbage = event("sqs-garbage-and-good")["Records"][0]["body"]
    assert failed(invoke(sqs_event(garbage, body_about(aws.upload("incoming/monday/ball.jpg"))))) == []
    [dead] = aws.dead_letters()
    assert dead["Body"] == "Hello from SQS!"
    assert dead["MessageAttributes"]["source_message_id"]["StringValue"] == "m0"
    assert "is not JSON" in dead["MessageAttributes"]["reason"]["StringValue"]
    assert aws.row().label == "golf ball"
    assert counted(metrics_of(capsys)) == {"ImagesClassified": 1, "MessagesUnreadable": 1}


def test_a_new_major_version_of_the_event_goes_to_the_dead_letters(aws: Aws) -> None:
    """The event's schema has versions."""
    assert failed(invoke(event("sqs-schema-3.0"))) == []
    assert "'3.0'" in aws.dead_letters()[0]["MessageAttributes"]["reason"]["StringValue"]


def test_three_uploads_in_one_message_each_get_a_result_of_their_own(aws: Aws) -> None:
    """One message may name several images."""
    images = [
        aws.upload("incoming/one.jpg"),
        aws.upload("incoming/notes.jpg", b"a text"),
        aws.upload("incoming/three.jpg"),
    ]
    assert failed(invoke(sqs_event(body_about(*images)))) == []
    assert [(row.image[-9:], row.status) for row in aws.rows()] == [
        ("notes.jpg", "rejected"),
        ("g/one.jpg", "classified"),
        ("three.jpg", "classified"),
    ]


def test_duplicate_events_of_an_upload_cause_one_request_one_row_and_one_count(
    aws: Aws, model_server: ModelServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one SQS batch, and again in a later one."""
    body = body_about(aws.upload("incoming/monday/ball.jpg"))
    assert failed(invoke(sqs_event(body, body))) == []
    assert len(model_server.paths) == 1
    assert failed(invoke(sqs_event(body))) == []
    assert aws.row().label == "golf ball"
    assert counted(metrics_of(capsys)) == {"ImagesClassified": 1, "ImagesRepeated": 1}


def test_the_same_upload_in_two_functions_at_once_is_one_row(
    aws: Aws, model_server: ModelServer, connections: Connections, settings: Settings
) -> None:
    """Both are with the model server at the same time."""
    both = Barrier(2)
    model_server.reply = lambda _: (both.wait(60), answering())[1]
    image = aws.upload("incoming/monday/ball.jpg")
    messages = SqsBatch.model_validate(sqs_event(body_about(image))).messages

    def classify(_: int) -> Response:
        return classify_messages(messages, settings, connections, Clock(lambda: 60.0))

    with ThreadPoolExecutor(2) as threads:
        assert list(map(failed, threads.map(classify, range(2)))) == [[], []]
    assert aws.result_of(aws.row())["image"]["version_id"] == image.version_id


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
def test_in_whatever_order_the_events_of_a_key_arrive_the_last_upload_stays(aws: Aws, order: tuple[int, ...]) -> None:
    """Each is classified in its own version, and the newest row stays."""
    uploads = [aws.upload("incoming/monday/ball.jpg", JPEG + bytes([n])) for n in range(3)]
    for n in order:
        assert failed(invoke(sqs_event(body_about(uploads[n])))) == []
    assert aws.row().version_id == uploads[2].version_id


def test_an_image_overwritten_before_it_was_fetched_is_classified_in_its_own_version(
    aws: Aws, model_server: ModelServer
) -> None:
    """The object may be overwritten between its event and its turn."""
    first = aws.upload("incoming/monday/ball.jpg", JPEG + b"first")
    aws.upload("incoming/monday/ball.jpg", JPEG + b"second")
    model_server.reply = lambda sent: answering() if sent.endswith(b"first") else Reply(500, b"")
    assert failed(invoke(sqs_event(body_about(first)))) == []
    assert aws.row().version_id == first.version_id


NOT_IMAGES = {
    "incoming/monday/": (b"", "folder_marker"),
    "incoming/monday/empty.jpg": (b"", "empty"),
    "incoming/monday/notes.jpg": (b"a text", "unsupported_format"),
    "incoming/monday/IMG_1.jxl": (b"\0\0\0\x0cJXL \r\n\x87\n", "unsupported_format"),
    "incoming/monday/plan.pdf": (b"%PDF-1.7", "unsupported_format"),
    "incoming/monday/logo.svg": (b"<svg/>", "unsupported_format"),
    "incoming/monday/noise.png": (b"\0\xff" * 300, "unsupported_format"),
}


@pytest.mark.parametrize(("key", "data", "code"), [(key, *it) for key, it in NOT_IMAGES.items()])
def test_whatever_is_no_image_is_rejected_and_never_tried_again(
    aws: Aws, model_server: ModelServer, capsys: pytest.CaptureFixture[str], key: str, data: bytes, code: str
) -> None:
    """A bucket receives more than images."""
    assert failed(invoke(sqs_event(body_about(aws.upload(key, data))))) == []
    row = aws.row()
    assert (row.status, row.rejected_code, row.review, row.model) == ("rejected", code, "rejected", "balls@1.0")
    assert aws.result_of(row)["rejected"] == {"code": code, "reason": row.rejected_reason}
    assert model_server.paths == []
    assert counted(metrics_of(capsys)) == {f"ImagesRejected {code}": 1}


@pytest.mark.parametrize("name", ["sqs-folder-marker", "sqs-zero-byte", "sqs-too-large", "sqs-s3-put"])
def test_the_events_of_what_is_not_there_end_in_a_rejection(aws: Aws, name: str) -> None:
    """Without a request, or gone."""
    expected = {"sqs-folder-marker": "folder_marker", "sqs-zero-byte": "empty", "sqs-too-large": "too_large"}
    assert failed(invoke(event(name))) == []
    assert aws.row().rejected_code == expected.get(name, "gone")


def test_a_bad_image_that_only_the_model_can_see_keeps_the_models_sentence(aws: Aws, model_server: ModelServer) -> None:
    """A truncated JPEG, a bomb."""
    refusal = {"code": "unreadable", "error": "The JPEG ends early: upload it again.", "model": ANSWERED.model_dump()}
    model_server.reply = lambda _: Reply(400, json.dumps(refusal).encode())
    assert failed(invoke(sqs_event(body_about(aws.upload("incoming/monday/cut.jpg"))))) == []
    row = aws.row()
    assert (row.rejected_reason, row.model_sha256) == ("The JPEG ends early: upload it again.", "5e" * 32)


def test_one_bad_image_never_harms_its_neighbours(aws: Aws, model_server: ModelServer) -> None:
    model_server.reply = lambda sent: Reply(503, b"") if sent.endswith(b"bad") else answering()
    images = [aws.upload(f"incoming/monday/{n}.jpg", JPEG + (b"bad" if n == 4 else b"")) for n in range(10)]
    assert failed(invoke(sqs_event(*[body_about(image) for image in images]))) == ["m4"]
    assert len(aws.rows()) == 9


def test_a_model_that_does_not_answer_leaves_the_message_on_the_queue(
    aws: Aws, model_server: ModelServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """All failed, no exception, and one request for each receive."""
    model_server.reply_to_tar = lambda _: Reply(503, b"")
    images = [aws.upload(f"incoming/monday/{n}.jpg") for n in range(3)]
    batch = sqs_event(*[body_about(image) for image in images])
    for _ in range(4):
        assert failed(invoke(batch)) == ["m0", "m1", "m2"]
    assert model_server.images == [3, 3, 3, 3]
    assert aws.rows() == []
    assert counted(metrics_of(capsys)) == {"ModelUnavailable": 12}


def test_a_message_that_waits_for_the_model_is_postponed_and_others_are_not(
    aws: Aws, model_server: ModelServer
) -> None:
    model_server.reply = lambda sent: Reply(503, b"") if sent.endswith(b"cold") else answering()
    for name in (b"warm", b"cold"):
        image = aws.upload(f"incoming/{name.decode()}.jpg", JPEG + name)
        aws.sqs.send_message(QueueUrl=aws.queue_url, MessageBody=body_about(image))
    received = aws.sqs.receive_message(QueueUrl=aws.queue_url, MaxNumberOfMessages=10, VisibilityTimeout=0)["Messages"]
    batch = sqs_event(*[it["Body"] for it in received])
    for sent, it in zip(batch["Records"], received, strict=True):
        sent["receiptHandle"] = it["ReceiptHandle"]
    [postponed] = failed(invoke(batch))
    still_visible = aws.sqs.receive_message(QueueUrl=aws.queue_url, MaxNumberOfMessages=10)["Messages"]
    assert [it["Body"] for it in still_visible] == [received[1 - int(postponed[1])]["Body"]]
    assert "warm" in still_visible[0]["Body"]


def test_twenty_messages_are_one_request_to_the_model_server(
    aws: Aws, model_server: ModelServer, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [aws.upload(f"incoming/monday/{n}.jpg") for n in range(20)]
    assert failed(invoke(sqs_event(*[body_about(image) for image in images]))) == []
    assert (model_server.images, len(aws.rows())) == ([20], 20)
    [line] = [line for line in metrics_of(capsys) if "ModelRequests" in line]
    assert (line["ModelRequests"], line["ImagesPerRequest"]) == ([1.0], [20.0])


def test_twenty_messages_that_came_before_are_with_the_model_server_at_the_same_time(
    aws: Aws, model_server: ModelServer
) -> None:
    """Each image alone: one of them may have killed the server for its neighbours."""
    everybody = Barrier(20)
    model_server.reply = lambda _: (everybody.wait(60), answering())[1]
    images = [aws.upload(f"incoming/monday/{n}.jpg") for n in range(20)]
    assert failed(invoke(sqs_event(*[body_about(image) for image in images], receive_count=2))) == []
    assert (model_server.images, model_server.most_at_once) == ([1] * 20, 20)
    assert len(aws.rows()) == 20


def test_an_image_that_kills_the_server_harms_its_neighbours_once(aws: Aws, model_server: ModelServer) -> None:
    model_server.reply_to_tar = lambda _: Reply(507, b"")
    model_server.reply = lambda sent: Reply(507, b"") if sent.endswith(b"poison") else answering()
    images = [aws.upload(f"incoming/{n}.jpg", JPEG + (b"poison" if n == 1 else b"")) for n in range(3)]
    bodies = [body_about(image) for image in images]
    assert failed(invoke(sqs_event(*bodies))) == ["m0", "m1", "m2"]
    assert failed(invoke(sqs_event(*bodies, receive_count=2))) == ["m1"]
    assert [row.image for row in aws.rows()] == [images[0].uri, images[2].uri]


def test_a_server_that_refuses_tars_gets_each_image_alone_and_no_second_tar(
    aws: Aws, model_server: ModelServer
) -> None:
    model_server.reply_to_tar = lambda _: Reply(415, b"")
    bodies = [body_about(aws.upload(f"incoming/{n}.jpg")) for n in range(6)]
    assert failed(invoke(sqs_event(*bodies[:3]))) == []
    assert failed(invoke(sqs_event(*bodies[3:]))) == []
    assert (model_server.images, len(aws.rows())) == ([3, 1, 1, 1, 1, 1, 1], 6)


def test_each_model_version_gets_a_request_of_its_own(aws: Aws, model_server: ModelServer) -> None:
    uploads = [aws.upload(f"incoming/{n}.jpg") for n in range(5)]
    second = ModelFacts(name="balls", version="2.0")
    orders = [
        Order(image=image, sender="reclassify", model=second if n > 2 else None) for n, image in enumerate(uploads)
    ]
    assert failed(invoke(sqs_event(*map(body_of, orders)))) == []
    requests = sorted(zip(model_server.paths, model_server.images, strict=True))
    assert requests == [("/predictions/balls", 3), ("/predictions/balls/2.0", 2)]


def test_a_message_comes_back_after_the_servers_retry_after_and_not_sooner(
    aws: Aws, connections: Connections, model_server: ModelServer
) -> None:
    model_server.reply_to_tar = lambda _: Reply(503, b"", retry_after="120")
    hidden_s: list[int] = []
    connections.queue.sqs.meta.events.register(
        "provide-client-params.sqs.ChangeMessageVisibility",
        lambda params, **_: hidden_s.append(params["VisibilityTimeout"]),
        unique_id="hiding",
    )
    bodies = [body_about(aws.upload(f"incoming/{n}.jpg")) for n in range(2)]
    assert failed(invoke(sqs_event(*bodies))) == ["m0", "m1"]
    connections.queue.sqs.meta.events.unregister(
        "provide-client-params.sqs.ChangeMessageVisibility", unique_id="hiding"
    )
    assert hidden_s == [120, 120]


def test_a_server_that_sleeps_fails_its_own_message_before_the_deadline(
    aws: Aws, model_server: ModelServer, connections: Connections, settings: Settings
) -> None:
    """The time is over when both messages and the ledger are read, both images fetched, and the quick one is stored."""
    woken = Event()

    def reply(sent: bytes) -> Reply:
        if sent.endswith(b"slow"):
            woken.wait(60)
        return answering()

    model_server.reply = reply
    quick, slow = aws.upload("incoming/quick.jpg"), aws.upload("incoming/slow.jpg", JPEG + b"slow")
    both = sqs_event(body_about(quick), body_about(slow), receive_count=2)  # each gets a request of its own
    pool = WatchedPool()
    clock = Clock(pool.left_s(before=60.0, done=6, after=0.0))
    messages = SqsBatch.model_validate(both).messages
    assert failed(classify_messages(messages, settings, connections, clock, lambda: pool)) == ["m1"]
    assert aws.row().image == quick.uri
    woken.set()
    pool.shutdown()  # or the slow image would be stored in another test's table


def test_an_invocation_without_time_does_nothing_and_loses_nothing(aws: Aws, model_server: ModelServer) -> None:
    """The invocation's time may end first."""
    batch = sqs_event(body_about(aws.upload("incoming/a.jpg")), body_about(aws.upload("incoming/b.jpg")))
    assert failed(invoke(batch, lambda: 1_000)) == ["m0", "m1"]
    assert (aws.rows(), model_server.paths) == ([], [])


def test_another_version_that_answers_is_stored_as_it_answered_and_counted(
    aws: Aws, model_server: ModelServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another version than the configured one may answer."""
    newer = server_answer(model=ANSWERED.model_copy(update={"version": "1.1"}))
    model_server.reply = lambda _: Reply(200, newer.model_dump_json().encode())
    assert failed(invoke(sqs_event(body_about(aws.upload("incoming/ball.jpg"))))) == []
    assert (aws.row().model, aws.row().model_sha256) == ("balls@1.1", "5e" * 32)
    assert counted(metrics_of(capsys)) == {"ImagesClassified": 1, "VersionMismatch": 1}


def test_an_uncertain_prediction_is_classified_counted_and_to_be_reviewed(
    aws: Aws, model_server: ModelServer, capsys: pytest.CaptureFixture[str]
) -> None:
    unsure = server_answer(uncertain="best probability 0.41 is below 0.53")
    model_server.reply = lambda _: Reply(200, unsure.model_dump_json().encode())
    invoke(sqs_event(body_about(aws.upload("incoming/ball.jpg"))))
    assert (aws.row().status, aws.row().review) == ("classified", "uncertain")
    assert counted(metrics_of(capsys)) == {"ImagesClassified": 1, "ImagesUncertain": 1}


def test_two_buckets_with_the_same_key_have_a_row_each(aws: Aws) -> None:
    """Two buckets may hold the same key."""
    aws.s3.create_bucket(Bucket="another-input")
    aws.s3.put_bucket_versioning(Bucket="another-input", VersioningConfiguration={"Status": "Enabled"})
    images = [aws.upload("incoming/ball.jpg", bucket=bucket) for bucket in (INPUT, "another-input")]
    assert failed(invoke(sqs_event(*[body_about(image) for image in images]))) == []
    assert sorted(row.image for row in aws.rows()) == ["s3://another-input/incoming/ball.jpg", images[0].uri]


def test_nothing_is_ever_written_to_the_bucket_whose_uploads_are_watched(aws: Aws) -> None:
    """A result in a bucket whose uploads are watched would be classified itself."""
    images = [aws.upload("incoming/ball.jpg"), aws.upload("incoming/results/ball.jpg.json", b"{}")]
    invoke(sqs_event(*[body_about(image) for image in images]))
    assert [it["Key"] for it in aws.s3.list_objects_v2(Bucket=INPUT)["Contents"]] == [image.key for image in images]
    written = [it["Key"] for it in aws.s3.list_objects_v2(Bucket=RESULTS)["Contents"]]
    assert written == ["results/incoming/ball.jpg.json", "results/incoming/results/ball.jpg.json.json"]


STEPS = ["s3.GetObject", "s3.PutObject", "dynamodb.PutItem"]


def refuse_once(connections: Connections, moment: str, step: str) -> None:
    """Let the step fail once, as AWS does: before it has an effect, or after, when only the response is lost."""
    clients = {"s3": connections.s3, "dynamodb": connections.store.dynamodb}
    events = clients[step.partition(".")[0]].meta.events

    def refuse(**_: object) -> None:
        events.unregister(f"{moment}.{step}", unique_id="refusal")
        raise ClientError({"Error": {"Code": "InternalError", "Message": "We lost it."}}, step)

    events.register(f"{moment}.{step}", refuse, unique_id="refusal")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("moment", ["before-call", "after-call"])
def test_a_failure_at_any_step_converges_with_the_next_delivery(
    aws: Aws, connections: Connections, moment: str, step: str
) -> None:
    """After the retry all is as if nothing had happened."""
    undisturbed, disturbed = aws.upload("incoming/a/ball.jpg"), aws.upload("incoming/b/ball.jpg")
    invoke(sqs_event(body_about(undisturbed)))
    refuse_once(connections, moment, step)
    batch = sqs_event(body_about(disturbed))
    assert failed(invoke(batch)) == ["m0"]
    assert failed(invoke(batch)) == []
    of_one, of_other = aws.rows()
    own = {"image", "batch", "etag", "version_id", "sequencer", "result_key", "result_version_id", "classified_at"}
    assert of_one.model_dump(exclude=own) == of_other.model_dump(exclude=own)
    assert aws.result_of(of_other)["image"] == disturbed.model_dump()


def test_an_image_that_may_not_be_read_now_is_tried_again(
    aws: Aws, connections: Connections, capsys: pytest.CaptureFixture[str]
) -> None:
    """S3 answers 403."""

    def forbid(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, "GetObject")

    connections.s3.meta.events.register("before-call.s3.GetObject", forbid, unique_id="forbid")
    batch = sqs_event(body_about(aws.upload("incoming/ball.jpg")))
    assert failed(invoke(batch)) == ["m0"]
    connections.s3.meta.events.unregister("before-call.s3.GetObject", unique_id="forbid")
    assert failed(invoke(batch)) == []
    assert counted(metrics_of(capsys)) == {"ImagesFailed": 1, "ImagesClassified": 1}


def test_an_image_that_s3_will_never_hand_over_is_asked_for_once_and_harms_no_neighbour(
    aws: Aws, connections: Connections
) -> None:
    """Encrypted with a key of its uploader's: it has its row at once, and its message does not come again."""
    locked, other = aws.upload("incoming/monday/locked.jpg"), aws.upload("incoming/monday/open.jpg")
    asked: list[str] = []

    def refuse(params: dict[str, str], **_: object) -> None:
        asked.append(params["url_path"])
        if "locked" in params["url_path"]:
            raise ClientError({"Error": {"Code": "InvalidRequest", "Message": "no key"}}, "GetObject")

    connections.s3.meta.events.register("before-call.s3.GetObject", refuse, unique_id="refuse")
    assert failed(invoke(sqs_event(body_about(locked), body_about(other)))) == []
    connections.s3.meta.events.unregister("before-call.s3.GetObject", unique_id="refuse")
    assert len(asked) == 2
    assert {row.image: (row.status, row.rejected_code) for row in aws.rows()} == {
        locked.uri: ("rejected", "encrypted"),
        other.uri: ("classified", None),
    }
    assert aws.dead_letters() == []


def test_the_dead_letter_of_an_image_that_may_not_be_read_says_what_to_allow(
    aws: Aws, connections: Connections
) -> None:
    def forbid(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no kms:Decrypt"}}, "GetObject")

    connections.s3.meta.events.register("before-call.s3.GetObject", forbid, unique_id="forbid")
    assert failed(invoke(sqs_event(body_about(aws.upload("incoming/ball.jpg")), receive_count=10))) == []
    connections.s3.meta.events.unregister("before-call.s3.GetObject", unique_id="forbid")
    [letter] = aws.dead_letters()
    reason = letter["MessageAttributes"]["reason"]["StringValue"]
    assert reason.startswith(
        "tried 10 times, at last: S3 refuses the image (AccessDenied: no kms:Decrypt): allow the function"
    )


@pytest.mark.parametrize(("dying", "again"), [(1, []), (2, ["m0"])])
def test_aws_gets_a_second_try_and_not_a_third(
    aws: Aws, connections: Connections, dying: int, again: list[str]
) -> None:
    """A connection that died while the Lambda was frozen costs no image a delivery."""
    tries: list[str] = []

    def die(request: AWSPreparedRequest, **_: object) -> None:
        tries.append(request.url)
        if len(tries) <= dying:
            raise ConnectionClosedError(endpoint_url=request.url)

    connections.s3.meta.events.register_first("before-send.s3.GetObject", die)
    assert failed(invoke(sqs_event(body_about(aws.upload("incoming/ball.jpg"))))) == again
    assert len(tries) == 2


def test_metrics_have_few_dimensions_and_the_log_has_one_line_for_each_image(
    aws: Aws, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither labels nor keys as dimensions, no bytes in the log."""
    secret = JPEG + b"GPSLatitude 48.85"
    images = [aws.upload(f"incoming/{n}.jpg", secret) for n in range(3)] + [aws.upload("incoming/x.jpg", b"a text")]
    invoke(sqs_event(*[body_about(image) for image in images]))
    for line in metrics_of(capsys):
        for dimensions in line["_aws"]["CloudWatchMetrics"][0]["Dimensions"]:
            assert set(dimensions) <= {"service", "model", "reason"}
        assert (line["model"], "golf ball" in json.dumps(line)) == ("balls@1.0", False)
    assert [(record.message, record.levelname) for record in caplog.records] == [("image done", "INFO")] * 4
    assert "GPSLatitude" not in caplog.text


@pytest.mark.parametrize("record_count", [1, 20])
def test_the_response_names_messages_and_nothing_else(aws: Aws, model_server: ModelServer, record_count: int) -> None:
    """What Lambda reads; anything else would mean the whole SQS batch."""
    bodies = [body_about(aws.upload(f"incoming/{n}.jpg")) for n in range(record_count)]
    model_server.reply = lambda _: Reply(503, b"")
    response = invoke(sqs_event(*bodies))
    assert response == {"batchItemFailures": [{"itemIdentifier": f"m{n}"} for n in range(record_count)]}
