"""The gate, from its event to the mapping: real HTTP to a model server, AWS in this process."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import boto3
import pytest
import yaml

from pipeline.classify.formats import looks_like
from pipeline.gate.decision import Check, EventSourceMapping
from pipeline.gate.handler import (
    PROBE_TIMEOUT_S,
    Clients,
    Response,
    check_server,
    lambda_handler,
    open_clients,
    report,
)
from pipeline.gate.probe_picture import probe_picture
from pipeline.settings import GateSettings, Settings, load_settings
from pipeline.telemetry import metrics
from tests.functions.conftest import Aws
from tests.functions.factories import NOON, ROOT, event
from tests.functions.fake_model_server import ModelServer, Reply, answering
from tests.functions.invoking import Context, metrics_of

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

EVENTS = ["gate-server-alarm", "gate-tick"]


@dataclass(frozen=True)
class Gate:
    """The deployed mapping, and the gate beside it."""

    mappings: LambdaClient
    uuid: str
    settings: GateSettings

    @property
    def clients(self) -> Clients:
        return open_clients(self.settings)

    @property
    def state(self) -> str:
        return self.mappings.get_event_source_mapping(UUID=self.uuid)["State"]

    def close(self) -> None:
        self.mappings.update_event_source_mapping(UUID=self.uuid, Enabled=False)

    def check(self, sleep: Callable[[float], None] = lambda _: None) -> Check:
        return check_server(self.settings, lambda: 60_000, sleep)


def no_sleep(seconds: float) -> None:
    raise AssertionError(f"nothing had to be waited for, and certainly not {seconds} s")


def invoke(name: str = "gate-tick", remaining_ms: int = 60_000) -> Response:
    response: Response = lambda_handler(event(name), Context(lambda: remaining_ms, function_name="podium-gate"))
    return response


@pytest.fixture(scope="session")
def lambda_client(aws_session: boto3.Session) -> LambdaClient:
    return aws_session.client("lambda")


@pytest.fixture
def gate(
    aws: Aws,
    settings: Settings,
    aws_session: boto3.Session,
    lambda_client: LambdaClient,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Gate]:
    role = aws_session.client("iam").create_role(RoleName="classify", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("pipeline/classify.py", "")
    lambda_client.create_function(
        FunctionName="podium-classify",
        Runtime="python3.13",
        Role=role,
        Handler="pipeline.classify.handler.lambda_handler",
        Code={"ZipFile": code.getvalue()},
    )
    queue = aws.sqs.get_queue_attributes(QueueUrl=settings.queue_url, AttributeNames=["QueueArn"])["Attributes"]
    mapping = lambda_client.create_event_source_mapping(
        FunctionName="podium-classify", EventSourceArn=queue["QueueArn"]
    )
    monkeypatch.setenv("EVENT_SOURCE_MAPPING", mapping["UUID"])
    yield Gate(lambda_client, mapping["UUID"], load_settings(GateSettings))
    open_clients.cache_clear()


def hang_up(_: bytes) -> Reply:
    raise ConnectionAbortedError("a worker died over this request")


def down(_: bytes) -> Reply:
    return Reply(503, b'{"code": 503, "type": "ServiceUnavailableException", "message": "Model balls has no worker"}')


def nonsense(_: bytes) -> Reply:
    return Reply(200, b'{"status": "Healthy"}')


def in_turn(*replies: Callable[[bytes], Reply]) -> Callable[[bytes], Reply]:
    """The first replies, one for each request; then predictions."""
    left = iter(replies)

    def reply(sent: bytes) -> Reply:
        replying = next(left, None)
        return replying(sent) if replying else answering()

    return reply


@pytest.mark.parametrize("name", EVENTS)
def test_whatever_the_event_a_server_that_answers_leaves_the_gate_open(
    gate: Gate, model_server: ModelServer, name: str
) -> None:
    assert invoke(name) == {"change": None, "closed": False, "failures": ()}
    assert gate.state == "Enabled"
    assert model_server.paths == ["/predictions/balls"]


@pytest.mark.parametrize("name", EVENTS)
def test_whatever_the_event_a_closed_gate_opens_when_the_server_answers(
    gate: Gate, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    gate.close()
    assert invoke(name) == {"change": "opened", "closed": False, "failures": ()}
    assert gate.state == "Enabled"
    assert [record.message for record in caplog.records] == ["gate opened"]


def test_the_probe_is_a_prediction_of_the_probe_picture(gate: Gate, model_server: ModelServer) -> None:
    model_server.reply = lambda sent: answering() if sent == probe_picture() else down(sent)
    assert gate.check(no_sleep).failures == ()


@pytest.mark.parametrize(
    ("reply", "reason"), [(down, "answered 503"), (hang_up, "did not answer"), (nonsense, "body that is no answer")]
)
def test_a_server_that_does_not_answer_twice_closes_the_gate(
    gate: Gate, model_server: ModelServer, reply: Callable[[bytes], Reply], reason: str
) -> None:
    model_server.reply = reply
    slept: list[float] = []
    outcome = gate.check(slept.append)
    assert (outcome.change, gate.state, slept) == ("closed", "Disabled", [3.0])
    assert all(reason in failure for failure in outcome.failures)


def test_an_outage_from_its_first_error_to_its_end(aws: Aws, gate: Gate, model_server: ModelServer) -> None:
    """503, then the worker hangs up, then it is back, with an image in the queue."""
    model_server.reply = down
    assert gate.check().change == "closed"
    aws.sqs.send_message(QueueUrl=aws.queue_url, MessageBody="an image")
    model_server.reply = in_turn(down, hang_up, down, hang_up)
    slept: list[float] = []
    assert gate.check(slept.append).change == "opened"
    assert (gate.state, slept) == ("Enabled", [5.0] * 4)


def images_waiting(aws: Aws, place: str) -> None:
    aws.sqs.send_message(QueueUrl=aws.queue_url, MessageBody="an image", DelaySeconds=900 if place == "delayed" else 0)
    if place == "in a back-off":
        assert aws.sqs.receive_message(QueueUrl=aws.queue_url, VisibilityTimeout=360)["Messages"]


@pytest.mark.parametrize("place", ["visible", "in a back-off", "delayed"])
def test_an_image_waits_wherever_in_the_queue_it_is(
    aws: Aws, gate: Gate, model_server: ModelServer, place: str
) -> None:
    gate.close()
    images_waiting(aws, place)
    model_server.reply = in_turn(down)
    assert gate.check().change == "opened"


def test_while_nothing_waits_one_probe_is_enough_and_is_counted(
    gate: Gate, model_server: ModelServer, capsys: pytest.CaptureFixture[str]
) -> None:
    gate.close()
    model_server.reply = down
    answer = invoke()
    assert (answer["change"], answer["closed"], len(model_server.paths)) == (None, True, 1)
    assert "answered 503: is it up" in answer["failures"][0]
    [line] = metrics_of(capsys)
    assert (line["GateClosed"], line["ProbeFailed"]) == ([1.0], [1.0])


def test_every_check_measures_how_the_gate_is_under_the_stacks_name_alone(
    gate: Gate, capsys: pytest.CaptureFixture[str]
) -> None:
    invoke()
    [line] = metrics_of(capsys)
    [measured] = line["_aws"]["CloudWatchMetrics"]
    assert measured["Namespace"] == "Podium"
    assert {name for names in measured["Dimensions"] for name in names} <= {"service"}
    assert (line["GateClosed"], line["ProbeFailed"]) == ([0.0], [0.0])


def reported(done: Check, now: datetime) -> Response:
    """What a handler reports; its metrics are written, so that no other test finds them."""
    response: Response = metrics.log_metrics(lambda _event, _context: report(done, now))({}, None)
    return response


def test_a_change_is_one_line_with_its_reason_and_the_seconds_before_it(caplog: pytest.LogCaptureFixture) -> None:
    opened, closed = EventSourceMapping("Enabled", NOON), EventSourceMapping("Disabled", NOON + timedelta(minutes=1))
    reported(Check(opened, "closed", closed=True, failures=("first", "second")), NOON + timedelta(seconds=59))
    reported(Check(closed, None, closed=True, failures=("still",)), NOON + timedelta(minutes=2))
    reported(Check(closed, "opened", closed=False, failures=("still",)), NOON + timedelta(minutes=5))
    first, last = [vars(record) for record in caplog.records]
    assert (first["message"], first["reason"], first["was_open_s"]) == ("gate closed", "second", 59.0)
    assert (last["message"], last["was_closed_s"]) == ("gate opened", 240.0)


def test_a_server_whose_handler_refuses_the_probe_picture_is_alive(
    gate: Gate, model_server: ModelServer, caplog: pytest.LogCaptureFixture
) -> None:
    refusal = {"code": "unreadable", "error": "This model wants photos of at least 200 pixels."}
    model_server.reply = lambda _: Reply(422, json.dumps(refusal).encode())
    gate.close()
    assert gate.check(no_sleep).change == "opened"
    assert [(record.message, record.levelname) for record in caplog.records] == [("golden picture rejected", "WARNING")]


@pytest.mark.parametrize("error", ["ResourceInUseException", "ResourceConflictException"])
@pytest.mark.parametrize("closed", [False, True])
def test_a_mapping_that_something_else_is_changing_is_left_to_the_next_check(
    gate: Gate, model_server: ModelServer, error: str, closed: bool
) -> None:
    if closed:
        gate.close()
    else:
        model_server.reply = down
    client = gate.clients.mappings

    def refuse(**_: object) -> None:
        refusal = {"Error": {"Code": error, "Message": "An operation on the mapping is in progress."}}
        raise getattr(client.exceptions, error)(refusal, "UpdateEventSourceMapping")

    client.meta.events.register("before-call.lambda.UpdateEventSourceMapping", refuse, unique_id="refusal")
    outcome = gate.check()
    assert (outcome.change, outcome.closed) == (None, closed)
    client.meta.events.unregister("before-call.lambda.UpdateEventSourceMapping", unique_id="refusal")
    assert gate.check().change == ("opened" if closed else "closed")


def test_any_other_refusal_of_aws_is_raised(gate: Gate) -> None:
    """A missing permission is an error of the function, for its alarm; the next minute tries again."""
    gone = gate.settings.model_copy(update={"event_source_mapping": str(UUID(int=0))})
    with pytest.raises(gate.mappings.exceptions.ResourceNotFoundException):
        check_server(gone, lambda: 60_000, no_sleep)


def test_a_check_without_time_asks_nobody_and_changes_nothing(gate: Gate, model_server: ModelServer) -> None:
    assert invoke(remaining_ms=5_000)["change"] is None
    assert (gate.state, model_server.paths) == ("Enabled", [])


def test_the_gate_is_as_patient_as_the_function_that_classifies() -> None:
    """A server that answers the function within its time-out is not down, however busy."""
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")
    [line] = [line for line in template.splitlines() if "PREDICT_TIMEOUT_S" in line]
    assert float(yaml.safe_load(line)["PREDICT_TIMEOUT_S"]) == PROBE_TIMEOUT_S


def test_the_probe_picture_passes_for_a_png_and_is_small() -> None:
    assert looks_like(probe_picture()) == "PNG"
    assert len(probe_picture()) < 2_000
