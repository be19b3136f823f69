"""The Lambda that holds the queue back while the model server is down: a message that is not handed out loses no receive.

an alarm, or a minute's tick -> check: probe the server -> pause or resume the mapping from the queue to the classify function

The gate also resumes a mapping that a person paused, once the server answers. To hold the queue by hand, stop the gate first
(`aws lambda put-function-concurrency --function-name STACK-gate --reserved-concurrent-executions 0`) and pause the mapping
then; after `aws lambda delete-function-concurrency --function-name STACK-gate`, the gate resumes it with its next check.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypedDict

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.aws import CLIENTS
from pipeline.errors import ImageRejected, ModelUnavailable
from pipeline.gate.decision import OPEN, Check, EventSourceMapping, Time, check
from pipeline.gate.probe_picture import probe_picture
from pipeline.model_server.client import ModelClient
from pipeline.model_server.token import token_for
from pipeline.queue.messages import messages_on
from pipeline.settings import GateSettings, load_settings
from pipeline.telemetry import count, logger, metrics

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

PROBE_TIMEOUT_S = 20.0  # as patient as the classify function: a server that is busy with its images is not down
CHANGING_S = 5.0  # of an invocation's time are kept for the change, the log and the response


class Response(TypedDict):
    """What a person reads who invokes the gate by hand."""

    change: str | None
    closed: bool
    failures: tuple[str, ...]


@dataclass(frozen=True)
class Clients:
    """What a process of the gate opens once."""

    mappings: LambdaClient
    sqs: SQSClient
    model: ModelClient


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(_event: dict[str, Any], context: LambdaContext) -> Response:
    """Check whether the gate is as it should be; the event is only a reason to check."""
    return report(check_server(load_settings(GateSettings), context.get_remaining_time_in_millis), datetime.now(UTC))


def check_server(
    settings: GateSettings, remaining_ms: Callable[[], int], sleep: Callable[[float], None] = time.sleep
) -> Check:
    """Check with AWS's clients and a real prediction."""
    clients = open_clients(settings)

    def left_s() -> float:
        return remaining_ms() / 1000

    return check(
        _mapping(clients.mappings, settings.event_source_mapping),
        probe=lambda: _probe(clients.model, left_s() - CHANGING_S),
        waiting=lambda: messages_on(clients.sqs, settings.queue_url),
        change=partial(_change, clients.mappings, settings.event_source_mapping),
        time=Time(sleep, left_s),
    )


def report(done: Check, now: datetime) -> Response:
    """Log the change, if there was one, and measure how the gate is."""
    before_s = round((now - done.before.since).total_seconds(), 1)
    if done.change == "closed":
        logger.warning("gate closed", reason=done.failures[-1], was_open_s=before_s)
    if done.change == "opened":
        logger.info("gate opened", reason="the model server answers", was_closed_s=before_s)
    count("GateClosed", int(done.closed))
    count("ProbeFailed", len(done.failures))
    return {"change": done.change, "closed": done.closed, "failures": done.failures}


@cache
def open_clients(settings: GateSettings) -> Clients:
    """The clients of this process."""
    return Clients(
        boto3.client("lambda", config=CLIENTS),
        boto3.client("sqs", config=CLIENTS),
        ModelClient(
            settings.model_server_url,
            settings.model_name,
            timeout_s=PROBE_TIMEOUT_S,
            token=token_for(settings.model_server_token_secret, settings.model_server_url),
        ),
    )


def _probe(model: ModelClient, budget_s: float) -> str | None:
    """Request one real prediction; TorchServe's /ping answers `Healthy` while its workers load, and while they die in a loop."""
    try:
        [answer] = model.ask([probe_picture()], budget_s=budget_s)
    except ModelUnavailable as unavailable:
        return str(unavailable)
    if isinstance(answer, ImageRejected):
        # A rejection comes from the model's handler, so the server is up. It may be strict; that costs no image a receive.
        logger.warning("golden picture rejected", reason=answer.reason)
    return None


def _mapping(mappings: LambdaClient, uuid: str) -> EventSourceMapping:
    found = mappings.get_event_source_mapping(UUID=uuid)
    return EventSourceMapping(found["State"], found["LastModified"])


def _change(mappings: LambdaClient, uuid: str, state: str) -> bool:
    """Whether AWS took the change: not while another one is under way."""
    try:
        mappings.update_event_source_mapping(UUID=uuid, Enabled=state == OPEN)
    except (mappings.exceptions.ResourceInUseException, mappings.exceptions.ResourceConflictException) as busy:
        logger.warning("gate not moved", reason=str(busy))
        return False
    return True
