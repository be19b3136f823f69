"""A batch is announced as complete: when it is, once, and whatever the streams do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError

from pipeline.batches.ledger import QUIET_AFTER
from pipeline.batches.manifests import part_keys, revision_of
from pipeline.contracts import LabelProbability
from pipeline.finish.announcement import CLAIM_LASTS, NotAnnounced
from pipeline.finish.handler import lambda_handler, open_looker
from pipeline.settings import load_settings
from tests.functions.conftest import LEDGER, RESULTS, TABLE, Aws
from tests.functions.factories import ANSWERED, NOON, event, server_answer
from tests.functions.finish.finishing import Desk, finishing, record, uploads
from tests.functions.invoking import Context, counted, metrics_of
from tests.functions.template import resources

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

SOON = timedelta(seconds=10)


@pytest.fixture
def desk(aws: Aws, aws_session: boto3.Session) -> Iterator[Desk]:
    with finishing(aws, aws_session) as desk:
        yield desk


def complete_batch(desk: Desk, *names: str) -> None:
    images = uploads(desk.aws, *names)
    for image in images:
        desk.classify(image)
    desk.expect(*images)


def test_a_batch_is_announced_when_its_last_image_has_a_row(aws: Aws, desk: Desk) -> None:
    one, two = uploads(aws, "one", "two")
    revision = desk.expect(one, two)
    desk.classify(one)
    desk.streams()
    assert desk.announcements() == []
    desk.classify(two)
    desk.streams()
    assert desk.announcements() == [
        {
            "id": f"monday/{revision}",
            "batch": "monday",
            "revision": revision,
            "total": 2,
            "classified": 2,
            "rejected": 0,
            "uncertain": 0,
            "summary": f"s3://{RESULTS}/batches/monday/summary.json",
            "results": f"s3://{RESULTS}/batches/monday/results.csv",
        }
    ]


def test_a_batch_whose_rows_are_there_before_its_manifest_is_announced_when_it_is_opened(desk: Desk) -> None:
    complete_batch(desk, "one", "two")
    desk.streams()
    assert [it["total"] for it in desk.announcements()] == [2]


def test_the_summary_and_the_table_say_what_became_of_every_image(aws: Aws, desk: Desk) -> None:
    fine, doubtful, empty = uploads(aws, "b", "a", "c")
    desk.classify(fine)
    steps = (
        LabelProbability(label="tennis ball", probability=0.4),
        LabelProbability(label="golf ball", probability=0.3),
    )
    desk.now += SOON
    desk.classify(doubtful, answer=server_answer(predictions=steps, uncertain="0.4 is below 0.53"))
    desk.reject(empty)
    revision = desk.expect(fine, doubtful, empty)
    desk.streams()
    assert desk.summary() == {
        "schema_version": "1.0",
        "batch": "monday",
        "revision": revision,
        "total": 3,
        "classified": 2,
        "rejected": 1,
        "uncertain": 1,
        "labels": {"golf ball": 1, "tennis ball": 1},
        "rejections": {"empty": 1},
        "models": {"balls@1.0": 3},
        "first_classified_at": "2026-11-21T12:00:00Z",
        "last_classified_at": "2026-11-21T12:00:10Z",
        "results_key": "batches/monday/results.csv",
    }
    a, b, c = desk.table()
    assert [it["image"] for it in (a, b, c)] == [doubtful.uri, fine.uri, empty.uri]
    assert a == {
        "image": doubtful.uri,
        "key": "incoming/monday/a.jpg",
        "status": "classified",
        "label1": "tennis ball",
        "probability1": "0.4",
        "label2": "golf ball",
        "probability2": "0.3",
        "label3": "",
        "probability3": "",
        "uncertain": "0.4 is below 0.53",
        "rejected_code": "",
        "rejected_reason": "",
        "model": "balls@1.0",
        "classified_at": "2026-11-21T12:00:10.000000Z",
    }
    assert (b["label3"], b["probability3"]) == ("baseball", "0.02")
    assert (c["status"], c["label1"], c["rejected_code"], c["rejected_reason"]) == (
        "rejected",
        "",
        "empty",
        "It is empty.",
    )


def test_a_batch_is_announced_once_however_often_the_streams_deliver_it(desk: Desk) -> None:
    complete_batch(desk, "one", "two")
    desk.streams()
    desk.delivered.clear()  # everything is delivered again
    desk.streams()
    desk.tick()
    desk.tick(after=timedelta(days=2))
    assert len(desk.announcements()) == 1


def test_a_function_that_looks_while_another_announces_announces_nothing(desk: Desk) -> None:
    complete_batch(desk, "one", "two")
    desk.while_announcing(lambda _: desk.tick())
    desk.streams()
    assert len(desk.announcements()) == 1


def test_of_two_functions_that_found_the_batch_complete_one_announces_it(desk: Desk) -> None:
    complete_batch(desk, "one", "two")
    entry, announce = desk.entry(), desk.looker.announcer.announce
    others: list[object] = []
    desk.while_announcing(lambda _: others.append(announce(entry, {}, desk.now)))
    assert announce(entry, {}, desk.now) is not None
    assert (others, announce(entry, {}, desk.now), len(desk.announcements())) == ([None], None, 1)


def test_a_function_that_died_while_it_announced_is_replaced_when_it_cannot_live_any_more(desk: Desk) -> None:
    complete_batch(desk, "one")
    entry = desk.entry()
    assert desk.looker.ledger.claim(entry, desk.now, until=desk.now + CLAIM_LASTS)
    desk.streams()
    desk.tick(after=QUIET_AFTER)
    assert desk.announcements() == []
    desk.tick(after=CLAIM_LASTS)
    assert len(desk.announcements()) == 1


def test_a_claim_outlives_the_function_that_holds_it() -> None:
    assert CLAIM_LASTS.total_seconds() > resources()["FinishFunction"]["Properties"]["Timeout"]


def test_an_event_that_is_refused_is_sent_again(desk: Desk) -> None:
    complete_batch(desk, "one")
    answers = [{"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"}]}]
    desk.while_announcing(lambda parsed: parsed.update(answers.pop() if answers else {}))
    with pytest.raises(ExceptionGroup) as failed:
        desk.streams()
    assert failed.group_contains(NotAnnounced, match="ThrottlingException, slow down")
    desk.announcements()  # moto had taken it
    desk.tick()
    assert len(desk.announcements()) == 1


def test_a_batch_that_grows_is_announced_again_as_a_whole(aws: Aws, desk: Desk) -> None:
    complete_batch(desk, "one", "two")
    desk.streams()
    [first] = desk.announcements()
    [three] = uploads(aws, "three")
    desk.now += SOON
    desk.expect(three)
    desk.streams()
    assert desk.announcements() == []
    desk.classify(three)
    desk.streams()
    [second] = desk.announcements()
    assert (second["total"], len(desk.table()), second["revision"] != first["revision"]) == (3, 3, True)


def test_a_batch_that_grows_while_it_is_announced_is_announced_as_it_was_and_then_as_it_is(
    aws: Aws, desk: Desk
) -> None:
    complete_batch(desk, "one")
    [two] = uploads(aws, "two")
    desk.classify(two)
    pending = [two]

    def grow(_: object) -> None:
        if pending:
            desk.expect(pending.pop())
            desk.tick()

    desk.while_announcing(grow)
    desk.streams()
    assert [it["total"] for it in desk.announcements()] == [1, 2]
    assert desk.summary()["total"] == 2


def test_a_manifest_that_still_grows_is_waited_for(aws: Aws, desk: Desk) -> None:
    complete_batch(desk, "one")
    [two] = uploads(aws, "two")
    desk.write_part(two)
    desk.streams()
    desk.classify(two)
    desk.streams()
    assert desk.announcements() == []
    desk.open()
    desk.streams()
    assert [it["total"] for it in desk.announcements()] == [2]


def test_a_manifest_whose_writer_never_came_back_is_taken_as_it_is_when_the_batch_is_quiet(
    aws: Aws, desk: Desk
) -> None:
    complete_batch(desk, "one")
    [two] = uploads(aws, "two")
    desk.classify(two)
    desk.write_part(two)
    desk.streams()
    desk.tick(after=QUIET_AFTER)
    desk.streams()
    [announcement] = desk.announcements()
    assert (announcement["total"], announcement["revision"]) == (2, revision_of(part_keys(aws.s3, RESULTS, "monday")))


def test_a_quiet_batch_that_was_looked_at_is_left_for_a_while(aws: Aws, desk: Desk) -> None:
    desk.expect(*uploads(aws, "one"))
    desk.tick(after=QUIET_AFTER)
    first = desk.now
    desk.tick(after=QUIET_AFTER - SOON)
    assert desk.entry().looked_at == first
    desk.tick(after=SOON)
    assert desk.entry().looked_at == desk.now


def test_rows_that_the_stream_lost_are_found_when_the_batch_is_quiet(desk: Desk) -> None:
    complete_batch(desk, "one", "two")
    desk.news(TABLE)  # and nobody counts them
    desk.streams()
    desk.tick(after=QUIET_AFTER - SOON)
    assert desk.announcements() == []
    desk.tick(after=SOON)
    assert len(desk.announcements()) == 1


def test_a_count_that_ran_ahead_announces_nothing(aws: Aws, desk: Desk) -> None:
    one, two = uploads(aws, "one", "two")
    desk.expect(one, two)
    desk.classify(one)
    desk.deliver(*desk.news(TABLE) * 5)
    desk.streams()
    assert (desk.entry().counted, desk.announcements()) == (5, [])
    desk.classify(two)
    desk.streams()
    assert len(desk.announcements()) == 1


def test_images_that_came_by_other_tools_are_counted_and_never_announced(aws: Aws, desk: Desk) -> None:
    for image in uploads(aws, "one", "two"):
        desk.classify(image)
    desk.streams()
    desk.tick(after=timedelta(days=1))
    [item] = aws.dynamodb.scan(TableName=LEDGER)["Items"]
    assert (item["id"], item["counted"], desk.announcements()) == ({"S": "batch/monday"}, {"N": "2"}, [])


NONSENSE: list[Any] = [
    None,
    "record",
    {},
    {"dynamodb": None},
    {"dynamodb": {}},
    {"eventName": "REMOVE", "dynamodb": {"Keys": {"image": {"S": "s3://b/k"}}}},
    record({}),
    record({"image": {"S": "s3://b/k"}}),
    record({"image": {"S": "s3://b/k"}, "batch": {"N": "1"}}),
    record({"id": {"N": "1"}}),
    record({"id": {"S": "batch/"}}),
    record({"id": {"S": "batch/x"}, "expected": {"S": "many"}, "revision": {"S": "r"}, "updated_at": {"S": "now"}}),
    record({"id": {"S": "batch/x"}, "expected": {"N": "0"}, "revision": {"S": "r"}, "updated_at": {"S": "2026-01-01"}}),
    record(
        {"id": {"S": "batch/x"}, "expected": {"N": "1"}, "revision": {}, "updated_at": {"S": "2026-11-21T12:00:00Z"}}
    ),
    record({"id": {"S": "batch/x"}, "expected": None}),
    record({"id": {"S": "requeued/5e"}, "tries": {"N": "1"}, "expires_at": {"N": "1"}}),
    record({"id": {"S": "reconcile/cursor"}}),
]


def test_what_no_function_of_ours_wrote_holds_nothing_up(aws: Aws, desk: Desk) -> None:
    complete_batch(desk, "one")
    for nonsense in NONSENSE:
        match nonsense:
            case {"dynamodb": {"NewImage": {"id": {"S": name}, "expected": dict()} as item}} if name != "batch/":
                aws.dynamodb.put_item(TableName=LEDGER, Item={key: value for key, value in item.items() if value})
    desk.deliver(*NONSENSE, *desk.news(TABLE), *NONSENSE)
    desk.deliver(*NONSENSE, *desk.news(LEDGER), *NONSENSE)
    desk.tick()
    assert [it["batch"] for it in desk.announcements()] == ["monday"]


def test_a_row_that_no_function_of_ours_wrote_does_not_count(aws: Aws, desk: Desk) -> None:
    one, two = uploads(aws, "one", "two")
    desk.expect(one, two)
    desk.classify(one)
    named = {"image": {"S": two.uri}, "batch": {"S": "monday"}, "classified_at": {"S": "2026-11-21T12:00:00Z"}}
    version = {"version_id": {"S": str(two.version_id)}}
    for number, odd in enumerate([{}, {"status": {"S": "lost"}}, {"status": {"S": "classified"}, "top3": {"S": "x"}}]):
        aws.dynamodb.put_item(TableName=TABLE, Item={**named, **version, **odd, "model": {"S": f"m@{number}"}})
    desk.streams()
    assert desk.announcements() == []
    desk.classify(two)
    desk.streams()
    assert [it["total"] for it in desk.announcements()] == [2]


def test_a_manifest_that_cannot_be_read_is_reported_and_left(
    aws: Aws, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    complete_batch(desk, "one")
    key = "batches/monday/manifest/by-hand.json"
    aws.s3.put_object(Bucket=RESULTS, Key=key, Body=b'{"images": "all"}')
    revision = revision_of(part_keys(aws.s3, RESULTS, "monday"))
    desk.looker.ledger.open("monday", expected=1, revision=revision, now=NOON)
    desk.streams()
    assert (desk.announcements(), set(caplog.messages)) == ([], {"manifest unreadable"})


def test_an_open_batch_without_a_manifest_is_left(aws: Aws, desk: Desk) -> None:
    desk.looker.ledger.open("monday", expected=1, revision="r", now=NOON)
    desk.tick(after=timedelta(hours=1))
    assert desk.announcements() == []


def test_a_batch_that_aws_refuses_to_show_keeps_no_other_waiting_and_is_reported(aws: Aws, desk: Desk) -> None:
    for batch in ("a", "b", "c"):
        [image] = uploads(aws, "one", batch=batch)
        desk.classify(image)
        desk.expect(image, batch=batch)
    with refused(aws, "ListObjectsV2", "batches/b/"), pytest.raises(ExceptionGroup) as failed:
        desk.tick(after=QUIET_AFTER)
    assert failed.group_contains(ClientError, match="AccessDenied")
    assert sorted(it["batch"] for it in desk.announcements()) == ["a", "c"]


@contextmanager
def refused(aws: Aws, operation: str, prefix: str) -> Iterator[None]:
    """Let S3 refuse an operation on everything below the prefix."""

    def answer(params: dict[str, Any], **_: object) -> None:
        if params["Prefix"].startswith(prefix):
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)

    aws.s3.meta.events.register(f"provide-client-params.s3.{operation}", answer)
    yield
    aws.s3.meta.events.unregister(f"provide-client-params.s3.{operation}", answer)


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The function's environment, as the template sets it."""
    own = {"RESULTS_BUCKET": RESULTS, "TABLE_NAME": TABLE, "LEDGER_NAME": LEDGER}
    for name, value in (resources()["FinishFunction"]["Properties"]["Environment"]["Variables"] | own).items():
        monkeypatch.setenv(name, value or "podium")
    load_settings.cache_clear()
    open_looker.cache_clear()
    yield
    load_settings.cache_clear()
    open_looker.cache_clear()


def invoke(brought: dict[str, Any]) -> None:
    lambda_handler(brought, cast("LambdaContext", Context(lambda: 300_000)))


def test_the_function_itself_counts_looks_and_announces(
    deployed: None, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    complete_batch(desk, "one", "two")
    for brought in ({"Records": desk.news(TABLE)}, event("finish-tick")):
        invoke(brought)
    assert counted(metrics_of(capsys)) == {"BatchesCompleted": 1}
    assert (desk.entry().counted, [it["total"] for it in desk.announcements()]) == (2, [2])


def test_streams_bring_what_the_events_show(aws: Aws, deployed: None, desk: Desk) -> None:
    [image] = uploads(aws, "ball")
    desk.expect(image)
    invoke(event("finish-rows"))
    assert desk.entry().counted == 1
    desk.classify(image)
    invoke(event("finish-ledger"))
    assert [it["batch"] for it in desk.announcements()] == ["monday"]


def test_a_batch_of_two_models_is_announced_once_with_one_result_of_each_image(aws: Aws, desk: Desk) -> None:
    """A rollout: one image is answered by the candidate, one twice, first by one model and then by the other."""
    candidate = server_answer(model=ANSWERED.model_copy(update={"version": "2.0"}))
    one, two, three = uploads(aws, "one", "two", "three")
    desk.expect(one, two, three)
    desk.classify(one)
    desk.classify(two, candidate)
    desk.streams()
    desk.now += SOON
    desk.classify(two)  # its message came again, after a rollback
    desk.streams()
    assert desk.announcements() == []
    desk.classify(three, candidate)
    desk.streams()
    desk.tick(QUIET_AFTER)
    [announcement] = desk.announcements()
    assert announcement["total"] == 3
    assert desk.summary()["models"] == {"balls@1.0": 2, "balls@2.0": 1}
    assert [line["model"] for line in desk.table()] == ["balls@1.0", "balls@2.0", "balls@1.0"]
