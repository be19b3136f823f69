"""Outages, redrives, other model versions, existing buckets and batches that end, on the real stack."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.contracts import ImageRef, Order
from pipeline.queue.orders import body_of
from tests.stack.aws import Root
from tests.stack.conftest import PATIENCE_S, Console, until
from tests.stack.test_stack import kill_torchserve

pytestmark = pytest.mark.stack

Json = Any


@pytest.fixture(scope="module")
def announced(root: Root) -> Iterator[Callable[[], Counter[str]]]:
    """How often each batch was announced as complete on the event bus since this module began."""
    url = root.sqs.create_queue(QueueName="announced")["QueueUrl"]
    arn = root.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    root.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    root.events.put_rule(
        Name="announced", EventPattern=json.dumps({"source": ["podium"], "detail-type": ["Batch Complete"]})
    )
    root.events.put_targets(Rule="announced", Targets=[{"Id": "queue", "Arn": arn}])
    announcements: Counter[str] = Counter()

    def count() -> Counter[str]:
        while messages := root.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            announcements.update(json.loads(message["Body"])["detail"]["batch"] for message in messages)
            for message in messages:
                root.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return announcements

    yield count
    root.events.remove_targets(Rule="announced", Ids=["queue"])
    root.events.delete_rule(Name="announced")


def until_announced(announced: Callable[[], Counter[str]], batch: str, times: int) -> None:
    until(f"announcement {times} of {batch}", lambda: announced()[batch] >= times)
    assert announced()[batch] == times


def gate(root: Root) -> str:
    state: str = root.functions.get_event_source_mapping(UUID=root.facts["mapping"])["State"]
    return state


def document(root: Root, key: str) -> str | None:
    """An object of the results bucket."""
    try:
        body: bytes = root.s3.get_object(Bucket=root.facts["results_bucket"], Key=key)["Body"].read()
    except root.s3.exceptions.NoSuchKey:
        return None
    return body.decode()


def test_a_finished_batch_has_a_summary_a_table_and_one_announcement(
    stack: Console, root: Root, photos: list[Path], announced: Callable[[], Counter[str]], tmp_path: Path
) -> None:
    folder = tmp_path / "ten"
    folder.mkdir()
    for number, photo in enumerate(photos[:9]):
        (folder / f"{number} é+.jpg").write_bytes(photo.read_bytes())
    (folder / "broken.jpg").write_bytes(b"no image")
    stack.podium("drop", str(folder), "--batch", "ten", "--wait", "--timeout", PATIENCE_S)
    summary = json.loads(until("summary", lambda: document(root, "batches/ten/summary.json")))
    assert (summary["total"], summary["classified"], summary["rejected"]) == (10, 9, 1)
    table = list(csv.DictReader(io.StringIO(document(root, "batches/ten/results.csv") or "")))
    assert [Path(line["key"]).name for line in table] == [f"{n} é+.jpg" for n in range(9)] + ["broken.jpg"]
    assert table[-1]["status"] == "rejected"
    root.invoke("finish", {})  # however often it runs
    root.invoke("finish", {})
    until_announced(announced, "ten", 1)


def test_a_batch_that_grows_is_complete_once_more(
    stack: Console, root: Root, photos: list[Path], announced: Callable[[], Counter[str]]
) -> None:
    for count, photo in ((1, photos[0]), (2, photos[5])):
        stack.podium("drop", str(photo), "--batch", "growing", "--wait", "--timeout", PATIENCE_S)
        until_announced(announced, "growing", count)
    assert json.loads(document(root, "batches/growing/summary.json") or "")["total"] == 2


def test_promise_4_a_dead_model_server_costs_no_image_its_retries(
    stack: Console, root: Root, photos: list[Path], tmp_path: Path
) -> None:
    """The alarm is raised as CloudWatch raises it; the gate closes, and nothing is received until the server answers."""
    folder = tmp_path / "waiting"
    folder.mkdir()
    for number, photo in enumerate(photos[:20]):
        (folder / f"{number}.jpg").write_bytes(photo.read_bytes())
    kill_torchserve(stack)
    root.cloudwatch.set_alarm_state(
        AlarmName="podium-server-down", StateValue="OK", StateReason="as after the last outage"
    )
    root.cloudwatch.set_alarm_state(AlarmName="podium-server-down", StateValue="ALARM", StateReason="ModelUnavailable")
    until("the gate closes", lambda: gate(root) == "Disabled")
    stack.podium("drop", str(folder), "--batch", "waiting")
    time.sleep(15)  # long enough for a first and a second receive, were there any
    assert root.messages(root.facts["queue_url"]) == 20
    waiting = root.sqs.receive_message(
        QueueUrl=root.facts["queue_url"], MaxNumberOfMessages=10, VisibilityTimeout=0, AttributeNames=["All"]
    )["Messages"]
    assert {message["Attributes"]["ApproximateReceiveCount"] for message in waiting} == {"1"}, "by this test alone"
    assert "closed" in stack.podium("status")
    stack.podium("up")
    stack.podium("watch", "waiting", "--timeout", PATIENCE_S)
    assert [row["status"] for row in stack.results("waiting")] == ["classified"] * 20
    assert gate(root) == "Enabled"
    assert root.messages(root.facts["dlq_url"]) == 0


def test_dead_letters_are_shown_with_their_reason_and_moved_back(
    stack: Console, root: Root, photos: list[Path]
) -> None:
    put = root.s3.put_object(Bucket=root.facts["input_bucket"], Key="elsewhere/a.jpg", Body=photos[0].read_bytes())
    image = ImageRef(
        bucket=root.facts["input_bucket"], key="incoming/dead/a.jpg", etag=put["ETag"].strip('"'),
        size_bytes=photos[0].stat().st_size, sequencer="",
    )  # fmt: skip
    reason = {"DataType": "String", "StringValue": "tried 10 times, at last: the model server answered 503"}
    root.sqs.send_message(
        QueueUrl=root.facts["dlq_url"], MessageBody=body_of(Order(image=image, sender="backfill", batch="dead")),
        MessageAttributes={"code": {"DataType": "String", "StringValue": "given_up"}, "reason": reason},
    )  # fmt: skip
    root.sqs.send_message(QueueUrl=root.facts["queue_url"], MessageBody="Hello!")
    until("two dead letters", lambda: root.messages(root.facts["dlq_url"]) == 2)
    shown = json.loads(stack.podium("redrive", "--dry-run", "--json"))
    assert (shown["moved"], shown["left"]) == (0, 2)
    assert {kind["code"] for kind in shown["kinds"]} == {"given_up", "unreadable"}
    root.s3.copy_object(
        Bucket=image.bucket, Key=image.key, CopySource={"Bucket": image.bucket, "Key": "elsewhere/a.jpg"}
    )
    moved = json.loads(stack.podium("redrive", "--reason", "answered 503", "--json"))
    assert (moved["moved"], moved["left"]) == (1, 1)
    until("its row", lambda: [row["status"] for row in stack.results("dead")] == ["classified"])
    assert root.messages(root.facts["dlq_url"]) == 1
    root.sqs.purge_queue(QueueUrl=root.facts["dlq_url"])


def test_another_model_version_classifies_a_batch_and_the_old_rows_stay(
    stack: Console, root: Root, photos: list[Path]
) -> None:
    stack.podium("drop", str(photos[0]), str(photos[7]), "--batch", "two-versions", "--wait", "--timeout", PATIENCE_S)
    before = {row["image"]: row for row in stack.results("two-versions")}
    second = stack.home / "second" / "balls.mar"
    stack.podium(
        "package", str(stack.home / "demo" / "run"), "--name", "balls", "--version", "2.0", "--out", str(second.parent)
    )
    refused = stack.run("reclassify", "--model", "balls@2.0", "--batch", "two-versions")
    assert refused.returncode != 0
    assert "balls" in refused.stderr
    stack.podium("up", "--archive", str(second))
    try:
        sent = json.loads(stack.podium("reclassify", "--model", "balls@2.0", "--batch", "two-versions", "--json"))
        assert sent["images"] == len(before)
        until("new rows", lambda: len(stack.results("two-versions")) == 2 * len(before))
        after = {(row["image"], row["model"]): row for row in stack.results("two-versions")}
        for image, row in before.items():
            assert after[image, "balls@1.0"] == row
            assert after[image, "balls@2.0"]["label"] == row["label"]
    finally:
        stack.podium("up", "--archive", str(stack.home / "models" / "balls.mar"))


def test_an_existing_bucket_is_classified_by_a_machine_and_a_second_time_skipped(
    stack: Console, root: Root, photos: list[Path]
) -> None:
    bucket = "an-old-archive"
    root.s3.create_bucket(Bucket=bucket)
    for photo in photos[:12]:
        root.s3.put_object(Bucket=bucket, Key=f"2019/{photo.parent.name}/{photo.name}", Body=photo.read_bytes())
    root.s3.put_object(Bucket=bucket, Key="2019/", Body=b"")
    refused = stack.run("backfill", f"s3://{bucket}/2019/")
    assert refused.returncode == 1
    assert f"ExistingBucket={bucket}" in refused.stderr
    stack.podium("deploy", "--parameter", f"ExistingBucket={bucket}")
    stack.podium("backfill", f"s3://{bucket}/2019/", "--job", "old-photos", "--wait")
    rows = stack.results("old-photos")
    assert {row["image"] for row in rows} == {f"s3://{bucket}/2019/{it.parent.name}/{it.name}" for it in photos[:12]}
    report = json.loads(document(root, "batches/old-photos/backfill.json") or "")
    assert (report["listed"], report["enqueued"], report["markers"]) == (13, 12, 1)
    again = json.loads(stack.podium("backfill", f"s3://{bucket}/2019/", "--job", "old-photos-2", "--json"))
    assert (again["report"]["enqueued"], again["report"]["already"]) == (0, 12)
    named = stack.home / "named.txt"
    named.write_text("2019/nowhere.jpg\n")
    missing = json.loads(
        stack.podium("backfill", f"s3://{bucket}/2019/", "--manifest", str(named), "--job", "named", "--json")
    )
    assert missing["report"]["missing"] == 1


def test_a_large_batch_is_watched_to_its_end(stack: Console, photos: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(120):
        (folder / f"{number}.jpg").write_bytes(photos[number % len(photos)].read_bytes())
    stack.podium("drop", str(folder), "--batch", "many")
    watched = stack.run("watch", "many", "--timeout", PATIENCE_S, "--json")
    assert watched.returncode == 0
    progress = json.loads(watched.stdout)
    assert (progress["total"], progress["classified"], progress["waiting"]) == (120, 120, 0)
    assert re.search(r"\d+ classified", watched.stderr)


def test_a_backfill_pauses_while_the_queue_is_deep_and_goes_on_when_it_has_fallen(
    stack: Console, root: Root, photos: list[Path]
) -> None:
    """On the machine as it is deployed, told to wait two seconds where it would wait a minute."""
    bucket, function = "deep", f"{root.facts['stack']}-backfill"
    root.s3.create_bucket(Bucket=bucket)
    for n, photo in enumerate(photos[:3]):
        root.s3.put_object(Bucket=bucket, Key=f"{n}.jpg", Body=photo.read_bytes())
    stack.podium("deploy", "--parameter", f"ExistingBucket={bucket}")
    variables = root.functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    machine = root.stepfunctions.describe_state_machine(stateMachineArn=root.facts["backfill_machine"])["definition"]
    quick = machine.replace('"SecondsPath": "$.outcome.paused.wait_s"', '"Seconds": 2')
    assert quick != machine
    root.stepfunctions.update_state_machine(stateMachineArn=root.facts["backfill_machine"], definition=quick)
    root.functions.update_function_configuration(
        FunctionName=function, Environment={"Variables": variables | {"PAUSE_ABOVE": "1"}}
    )
    mapping = root.facts["mapping"]
    root.functions.update_event_source_mapping(UUID=mapping, Enabled=False)
    gate = f"{root.facts['stack']}-gate"
    root.functions.put_function_concurrency(FunctionName=gate, ReservedConcurrentExecutions=0)
    try:
        for n in range(2):
            root.sqs.send_message(
                QueueUrl=root.facts["queue_url"], MessageBody=f'{{"Event": "s3:TestEvent", "n": {n}}}'
            )
        request = {"job": "deep", "bucket": bucket, "prefix": ""}
        execution = root.stepfunctions.start_execution(
            stateMachineArn=root.facts["backfill_machine"], name="deep", input=json.dumps(request)
        )["executionArn"]
        item = {"job": "deep", "bucket": bucket, "object": {"Key": "0.jpg"}}
        assert root.invoke("backfill", item)[0]["paused"] == {"waiting": 2, "pause_above": 1, "wait_s": 60}
        time.sleep(6)  # longer than it pauses
        assert root.stepfunctions.describe_execution(executionArn=execution)["status"] == "RUNNING"
        assert root.messages(root.facts["queue_url"]) == 2, "nothing was added"
        root.sqs.purge_queue(QueueUrl=root.facts["queue_url"])
        root.functions.update_event_source_mapping(UUID=mapping, Enabled=True)
        until(
            "the backfill goes on",
            lambda: root.stepfunctions.describe_execution(executionArn=execution)["status"] == "SUCCEEDED",
        )
        stack.podium("watch", "deep", "--timeout", PATIENCE_S)
        assert len(stack.results("deep")) == 3
    finally:
        root.functions.delete_function_concurrency(FunctionName=gate)
        root.functions.update_event_source_mapping(UUID=mapping, Enabled=True)
        root.functions.update_function_configuration(FunctionName=function, Environment={"Variables": variables})
        root.stepfunctions.update_state_machine(stateMachineArn=root.facts["backfill_machine"], definition=machine)
