"""Promise 6: every permission of every function is taken away once, and the function that needs it is seen to fail.

What remains are the permissions that AWS uses in the function's name; the embedded AWS does not ask for those.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from pipeline.batches.ledger import Ledger
from pipeline.batches.manifests import revision_of, write_part
from pipeline.contracts import ExpectedImage, ImageRef, LabelProbability, ManifestPart, ModelFacts, Order, stamp
from pipeline.queue.orders import body_of
from pipeline.rollout.ledger import Rollouts
from pipeline.rollout.samples import folder_of
from pipeline.rollout.state import Rollout
from tests.functions.factories import event, server_answer, sqs_event
from tests.functions.fake_model_server import Reply, running_model_server
from tests.stack.aws import Permission, Policy, Root, policies_of, without
from tests.stack.conftest import ROOT, Console

pytestmark = pytest.mark.stack

Json = Any
ARCHIVE = "someones-archive"  # an existing bucket, ExistingBucket of the template


class _Template(yaml.SafeLoader):
    """CloudFormation's YAML; `!If [condition, value, none]` is its value, other !Functions are None."""


def _intrinsic(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> Json:
    if tag == "If" and isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)[1]
    return None


_Template.add_multi_constructor("!", _intrinsic)


def permissions() -> Iterator[Permission]:
    resources = yaml.load((ROOT / "template.yaml").read_text(), Loader=_Template)["Resources"]
    for name, resource in resources.items():
        if resource["Type"] != "AWS::IAM::Role":
            continue
        for policy in resource["Properties"]["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                actions = statement["Action"]
                for action in [actions] if isinstance(actions, str) else actions:
                    yield Permission(name.removesuffix("Role"), statement["Sid"], action)


# Used by AWS itself: Lambda's poller receives and deletes with the function's role, and reads the streams
# (AWSLambdaSQSQueueExecutionRole and AWSLambdaDynamoDBExecutionRole name the same actions); Lambda writes the log;
# Step Functions lists, invokes, writes its results and runs the map's children with the machine's role
# (https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html).
USED_BY_AWS = {
    *(Permission("Classify", "ConsumeImages", f"sqs:{it}Message") for it in ("Receive", "Delete")),
    Permission("Classify", "ConsumeImages", "sqs:GetQueueAttributes"),
    *(
        Permission("Finish", "ReadStreams", f"dynamodb:{it}")
        for it in ("DescribeStream", "GetRecords", "GetShardIterator")
    ),
    Permission("Finish", "FindStreams", "dynamodb:ListStreams"),
    *(
        Permission(role, "Log", f"logs:{action}")
        for role in ("Classify", "Gate", "Finish", "Backfill", "Reconcile", "Rollback")
        for action in ("CreateLogStream", "PutLogEvents")
    ),
    *(permission for permission in permissions() if permission.role == "BackfillMachine"),
}
# Without it S3 answers 403 for a missing object; the embedded AWS answers 404 to everybody.
NOT_IMITATED = {it for it in permissions() if it.sid.endswith("FromForbidden") and it.action == "s3:ListBucket"}
# Of a stack without a model server: tests/stack/test_function_shape.py.
OF_THE_OTHER_SHAPE = {Permission("Classify", "ReadModel", "s3:GetObjectVersion")}
OURS = sorted(set(permissions()) - USED_BY_AWS - NOT_IMITATED - OF_THE_OTHER_SHAPE)
# The embedded AWS asks for no permission to update a mapping, and for the list's if one is read: these are held by
# the call being in the code.
NOT_ENFORCED = {
    Permission("Gate", "PauseAndResume", "lambda:UpdateEventSourceMapping"): "update_event_source_mapping(",
    Permission("Gate", "PauseAndResume", "lambda:GetEventSourceMapping"): "get_event_source_mapping(",
}


class Scene:
    """What the exercises need, made once: nothing runs on its own, and a stack that may read someone's archive."""

    def __init__(self, root: Root, photo: bytes) -> None:
        self.root, self.photo = root, photo
        self.input, self.results = root.facts["input_bucket"], root.facts["results_bucket"]
        self.queue, self.ledger = root.facts["queue_url"], root.facts["ledger"]
        self.began_s = time.monotonic()

    def upload(self, bucket: str, key: str) -> ImageRef:
        """Put the photo there; its event stays on the queue, which nobody reads."""
        put = self.root.s3.put_object(Bucket=bucket, Key=key, Body=self.photo)
        return ImageRef(
            bucket=bucket, key=key, version_id=put.get("VersionId"), etag=put["ETag"].strip('"'),
            size_bytes=len(self.photo), sequencer="00AA",
        )  # fmt: skip

    def classify(self, *orders: Order | str) -> str:
        """Which messages were not done; nothing if all were."""
        bodies = [order if isinstance(order, str) else body_of(order) for order in orders]
        answer, log = self.root.invoke("classify", sqs_event(*bodies))
        return log if answer["batchItemFailures"] else ""

    def backfilled(self, bucket: str, key: str, **facts: object) -> Json:
        """The response of the backfill function to one object as the machine hands it over."""
        answer, _ = self.root.invoke("backfill", {"job": "p-job", "bucket": bucket, "object": {"Key": key, **facts}})
        return answer

    def configure(self, function: str, **variables: str) -> None:
        """Other settings for a function."""
        name = f"{self.root.facts['stack']}-{function}"
        now = self.root.functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        self.root.functions.update_function_configuration(FunctionName=name, Environment={"Variables": now | variables})

    def switch(self, enabled: bool) -> None:
        """Whether messages and streams reach the functions by themselves."""
        for mapping in self.root.functions.list_event_source_mappings()["EventSourceMappings"]:
            self.root.functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=enabled)

    def purge(self) -> None:
        """Nothing on the queue, nothing in the dead letters."""
        for url in (self.queue, self.root.facts["dlq_url"]):
            self.root.sqs.purge_queue(QueueUrl=url)


Exercise = Callable[[Scene], str]  # what went wrong; empty when all went well


def an_upload(scene: Scene) -> str:
    return scene.classify(Order(image=scene.upload(scene.input, "incoming/p/a.jpg"), batch="p"))


def an_image_by_its_etag(scene: Scene) -> str:
    image = scene.upload(scene.input, "incoming/p/b.jpg").model_copy(update={"version_id": None})
    return scene.classify(Order(image=image, sender="backfill", batch="p"))


def an_archived_image(scene: Scene) -> str:
    image = scene.upload(ARCHIVE, "photos/a.jpg").model_copy(update={"version_id": None})
    return scene.classify(Order(image=image, sender="backfill", batch="p"))


def an_upload_with_the_token_read_anew(scene: Scene) -> str:
    return _with_new_processes(scene, "classify", an_upload)


def a_probe_with_the_token_read_anew(scene: Scene) -> str:
    return _with_new_processes(scene, "gate", a_gate_to_open)


def _with_new_processes(scene: Scene, function: str, exercise: Exercise) -> str:
    """Before, those end that know the token; afterwards, those that remember for some seconds that they cannot read it."""
    scene.configure(function, ANEW=str(uuid4()))
    try:
        return exercise(scene)
    finally:
        scene.configure(function, ANEW=str(uuid4()))


def an_unreadable_message(scene: Scene) -> str:
    return scene.classify("Hello!")


def a_model_that_nobody_serves(scene: Scene) -> str:
    """Its message, a real one, is postponed."""
    image, nobody = scene.upload(scene.input, "incoming/p/c.jpg"), ModelFacts(name="nobody", version="9")
    scene.purge()  # of the upload's own event
    order = Order(image=image, sender="reclassify", model=nobody)
    scene.root.sqs.send_message(QueueUrl=scene.queue, MessageBody=body_of(order))
    [message] = scene.root.sqs.receive_message(QueueUrl=scene.queue, WaitTimeSeconds=5)["Messages"]
    batch = sqs_event(message["Body"])
    batch["Records"][0]["receiptHandle"] = message["ReceiptHandle"]
    answer, log = scene.root.invoke("classify", batch)
    assert len(answer["batchItemFailures"]) == 1
    return log if "message not postponed" in log else ""


def a_gate_to_open(scene: Scene) -> str:
    scene.switch(enabled=False)
    answer, _ = scene.root.invoke("gate", {})
    scene.switch(enabled=False)
    return "" if answer["change"] == "opened" else str(answer)


def a_gate_to_keep_closed(scene: Scene) -> str:
    """The server is down; images may wait."""
    scene.purge()
    scene.configure("gate", MODEL_SERVER_URL="http://127.0.0.1:9")
    try:
        answer, _ = scene.root.invoke("gate", {})
    finally:
        scene.configure("gate", MODEL_SERVER_URL=scene.root.facts["model_server_url"])
    return "" if answer["closed"] else str(answer)


def a_complete_batch(scene: Scene) -> str:
    return _finish(scene, f"p-{uuid4()}", overwritten=False)


def a_batch_with_an_overwritten_image(scene: Scene) -> str:
    return _finish(scene, f"p-{uuid4()}", overwritten=True)


def _finish(scene: Scene, batch: str, *, overwritten: bool) -> str:
    """A batch of one image, whose row may be of a later upload, is open in the ledger; a tick finishes it."""
    expected = scene.upload(scene.input, f"incoming/{batch}/a.jpg")
    image = scene.upload(scene.input, f"incoming/{batch}/a.jpg") if overwritten else expected
    assert scene.classify(Order(image=image, batch=batch)) == ""
    now = datetime.now(UTC)
    part = ManifestPart(
        batch=batch, images=(ExpectedImage(image=expected.uri, version_id=expected.version_id),), created_at=now
    )
    revision = revision_of([write_part(scene.root.s3, scene.results, part)])
    Ledger(scene.root.dynamodb, scene.ledger).open(batch, expected=1, revision=revision, now=now - timedelta(hours=1))
    scene.root.invoke("finish", {})
    item = scene.root.dynamodb.get_item(TableName=scene.ledger, Key={"id": {"S": f"batch/{batch}"}})["Item"]
    scene.root.dynamodb.delete_item(TableName=scene.ledger, Key={"id": {"S": f"batch/{batch}"}})
    return "" if "completed_revision" in item else str(item)


def a_row_to_count(scene: Scene) -> str:
    row = {"dynamodb": {"NewImage": {"image": {"S": "s3://a/b"}, "batch": {"S": "p-counted"}}}}
    scene.root.invoke("finish", {"Records": [row]})
    return ""


def a_listed_image(scene: Scene) -> str:
    image = scene.upload(scene.input, f"incoming/p/{uuid4()}.jpg")
    answer = scene.backfilled(scene.input, image.key, Etag=f'"{image.etag}"', Size=image.size_bytes)
    scene.purge()
    return "" if answer["enqueued"] == 1 else str(answer)


def a_named_image(scene: Scene) -> str:
    answer = scene.backfilled(scene.input, scene.upload(scene.input, f"incoming/p/{uuid4()}.jpg").key)
    return "" if answer["enqueued"] == 1 else str(answer)


def an_archived_named_image(scene: Scene) -> str:
    answer = scene.backfilled(ARCHIVE, scene.upload(ARCHIVE, f"photos/{uuid4()}.jpg").key)
    return "" if answer["enqueued"] == 1 else str(answer)


def a_backfill_to_close(scene: Scene) -> str:
    a_named_image(scene)
    answer, _ = scene.root.invoke(
        "backfill", {"close": {"job": "p-job", "bucket": scene.input, "prefix": "incoming/p/"}}
    )
    return "" if answer["parts"] else str(answer)


def an_upload_without_an_event(scene: Scene) -> str:
    """Its event was lost a minute ago; and the last run of reconcile had stopped before it."""
    time.sleep(max(0.0, scene.began_s + 62 - time.monotonic()))  # S3 dates an upload, nobody else can
    scene.upload(scene.input, "incoming/p/\x01.jpg")  # whose versions the embedded AWS cannot list
    scene.purge()
    for page in scene.root.dynamodb.get_paginator("scan").paginate(TableName=scene.ledger):
        for item in page["Items"]:
            if item["id"]["S"].startswith("requeued/"):
                scene.root.dynamodb.delete_item(TableName=scene.ledger, Key={"id": item["id"]})
    bounds = {
        "looks_after": {"S": stamp(datetime.fromtimestamp(0, UTC))},
        "due_before": {"S": stamp(datetime.now(UTC))},
    }
    cursor = {"id": {"S": "reconcile/cursor"}, "key": {"S": "incoming/o"}, **bounds}
    scene.root.dynamodb.put_item(TableName=scene.ledger, Item=cursor)
    answer, _ = scene.root.invoke("reconcile", {})
    return "" if answer["requeued"] and answer["finished"] else str(answer)


def a_compared_image(scene: Scene) -> str:
    """The candidate answers, and sees another class: the function reads the rollout, counts, and keeps a sample."""
    now = datetime.now(UTC)
    with candidate_that_sees("something else") as url:
        rollout = _begun(scene, now, candidate_url=url)
        image = scene.upload(scene.input, f"incoming/p/{uuid4()}.jpg")
        answer, log = scene.root.invoke("classify", sqs_event(body_of(Order(image=image, sender="rollout", batch="p"))))
    assert answer["batchItemFailures"] == [], log
    sample = f"{folder_of(rollout, 'shadow')}"
    kept = scene.root.s3.list_objects_v2(Bucket=scene.results, Prefix=sample).get("Contents", [])
    tally = Rollouts(scene.root.dynamodb, scene.ledger).tally(rollout)
    scene.root.dynamodb.delete_item(TableName=scene.ledger, Key={"id": {"S": "rollout"}})
    return "" if kept and tally.compared == 1 else log


def an_alarm_about_a_candidate(scene: Scene) -> str:
    _begun(scene, datetime(2026, 11, 21, tzinfo=UTC))
    try:
        answer, log = scene.root.invoke("rollback", event("rollback-alarm"))
    finally:
        scene.root.dynamodb.delete_item(TableName=scene.ledger, Key={"id": {"S": "rollout"}})
    return "" if answer["rolled_back"] else log


def _begun(scene: Scene, at: datetime, **facts: object) -> Rollout:
    began = {"started_at": at, "stage_at": at, "compared_share": 0}
    rollout = Rollout.model_validate(
        {"candidate_name": "balls", "candidate_version": "9.0", "replaces": "balls@1.0"} | began | facts
    )
    scene.root.dynamodb.delete_item(TableName=scene.ledger, Key={"id": {"S": "rollout"}})
    Rollouts(scene.root.dynamodb, scene.ledger).write(rollout, None)
    return rollout


@contextmanager
def candidate_that_sees(label: str) -> Iterator[str]:
    """The address of a server that sees one class in every picture."""
    model = ModelFacts(name="balls", version="9.0", archive_sha256="5e" * 32)
    answer = server_answer(model=model, predictions=(LabelProbability(label=label, probability=0.9),))
    with running_model_server() as server:
        server.reply = lambda _: Reply(200, answer.model_dump_json().encode())
        yield server.url


EXERCISES: dict[tuple[str, str], Exercise] = {
    ("FollowRollouts", "dynamodb:GetItem"): a_compared_image,
    ("FollowRollouts", "dynamodb:UpdateItem"): a_compared_image,
    ("WriteSamples", "s3:PutObject"): a_compared_image,
    ("EndTheRollout", "dynamodb:UpdateItem"): an_alarm_about_a_candidate,
    ("ReadImages", "s3:GetObjectVersion"): an_upload,
    ("ReadImages", "s3:GetObject"): an_image_by_its_etag,
    ("ReadExistingImages", "s3:GetObject"): an_archived_image,
    ("WriteResults", "s3:PutObject"): an_upload,
    ("WriteRows", "dynamodb:PutItem"): an_upload,
    ("ConsumeImages", "sqs:ChangeMessageVisibility"): a_model_that_nobody_serves,
    ("SetAsideUnreadable", "sqs:SendMessage"): an_unreadable_message,
    ("PauseAndResume", "lambda:ListEventSourceMappings"): a_gate_to_open,
    ("SeeWhetherImagesWait", "sqs:GetQueueAttributes"): a_gate_to_keep_closed,
    ("ReadRows", "dynamodb:Query"): a_complete_batch,
    ("KeepLedger", "dynamodb:GetItem"): a_complete_batch,
    ("KeepLedger", "dynamodb:Scan"): a_complete_batch,
    ("KeepLedger", "dynamodb:UpdateItem"): a_row_to_count,
    ("ReadAndWriteBatches", "s3:GetObject"): a_complete_batch,
    ("ReadAndWriteBatches", "s3:PutObject"): a_complete_batch,
    ("FindManifests", "s3:ListBucket"): a_complete_batch,
    ("TellLaterUploads", "s3:ListBucketVersions"): a_batch_with_an_overwritten_image,
    ("Announce", "events:PutEvents"): a_complete_batch,
    ("SendOrders", "sqs:SendMessage"): a_listed_image,
    ("SendOrders", "sqs:GetQueueAttributes"): a_listed_image,
    ("SkipWhatHasARow", "dynamodb:BatchGetItem"): a_listed_image,
    ("OpenTheBatch", "dynamodb:UpdateItem"): a_backfill_to_close,
    ("WriteManifests", "s3:PutObject"): a_listed_image,
    ("LookAtImages", "s3:GetObject"): a_named_image,
    ("LookAtExisting", "s3:GetObject"): an_archived_named_image,
}
BY_ROLE: dict[tuple[str, str], Exercise] = {  # if two roles have a statement of the same name
    ("Backfill", "FindManifests"): a_backfill_to_close,
    ("Classify", "ReadToken"): an_upload_with_the_token_read_anew,
    ("Gate", "ReadToken"): a_probe_with_the_token_read_anew,
}


def exercise_of(permission: Permission) -> Exercise | None:
    if permission.role == "Reconcile":
        return an_upload_without_an_event
    by_role = BY_ROLE.get((permission.role, permission.sid))
    return by_role or EXERCISES.get((permission.sid, permission.action))


@pytest.fixture(scope="module")
def scene(stack: Console, root: Root, photos: list[Path]) -> Iterator[Scene]:
    """Nothing reaches a function by itself; an upload waits for its event in vain, and is a minute old.

    The local server asks for no token; the functions send it one.
    """
    root.s3.create_bucket(Bucket=ARCHIVE)
    secret = root.secretsmanager.create_secret(Name="model-server", SecretString=uuid4().hex)["ARN"]
    parameters = (f"ExistingBucket={ARCHIVE}", f"ModelServerTokenSecret={secret}")
    stack.podium("deploy", *(word for it in parameters for word in ("--parameter", it)))
    scene = Scene(root, photos[0].read_bytes())
    scene.switch(enabled=False)
    scene.upload(scene.input, "incoming/p/lost.jpg")
    for rule in root.events.list_rules()["Rules"]:
        root.events.disable_rule(Name=rule["Name"])
    scene.configure("reconcile", OVERDUE_AFTER_MINUTES="1")
    yield scene
    scene.purge()
    scene.configure("reconcile", OVERDUE_AFTER_MINUTES="30")
    for rule in root.events.list_rules()["Rules"]:
        root.events.enable_rule(Name=rule["Name"])
    scene.switch(enabled=True)


@pytest.fixture(scope="module")
def policies(root: Root) -> dict[str, Policy]:
    return policies_of(root)


def outcome(exercise: Exercise, scene: Scene) -> str:
    """What went wrong in the exercise, an exception's text included."""
    try:
        return exercise(scene)
    except AssertionError as refused:
        return str(refused) or "refused"


def test_every_permission_is_exercised_used_by_aws_or_held_by_its_call() -> None:
    for permission in OURS:
        if permission not in NOT_ENFORCED:
            assert exercise_of(permission), permission
    for permission, call in NOT_ENFORCED.items():
        assert permission in OURS
        tower = ROOT / "functions" / "pipeline" / permission.role.lower()
        assert call in "".join(file.read_text() for file in tower.glob("*.py"))


@pytest.mark.parametrize(
    "exercise", sorted({exercise_of(it) for it in OURS} - {None}, key=str), ids=lambda it: it.__name__
)
def test_with_all_permissions_every_exercise_goes_well(scene: Scene, exercise: Exercise) -> None:
    assert outcome(exercise, scene) == ""


@pytest.mark.parametrize("permission", [it for it in OURS if it not in NOT_ENFORCED], ids="-".join)
def test_promise_6_no_function_has_a_permission_it_does_not_use(
    scene: Scene, root: Root, policies: dict[str, Policy], permission: Permission
) -> None:
    exercise = exercise_of(permission)
    assert exercise
    with without(permission, root, policies[permission.role]):
        failure = outcome(exercise, scene)
    assert failure, "nobody misses this permission: take it out of the template"
    assert re.search("AccessDenied|not authorized|Forbidden", failure), f"it failed for another reason: {failure}"
