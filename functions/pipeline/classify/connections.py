"""What a process of the classify function opens once, when its first SQS batch arrives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from threading import Lock
from typing import TYPE_CHECKING

import boto3

from pipeline.aws import CLIENTS, DOWNLOADS
from pipeline.classify.ask import Ask
from pipeline.classify.trials import Trials
from pipeline.model_server.client import ModelClient
from pipeline.model_server.token import token_for
from pipeline.queue.messages import Queue
from pipeline.results.store import Store
from pipeline.rollout.ledger import BRIEFLY, Rollouts
from pipeline.rollout.samples import Samples
from pipeline.rollout.state import Rollout
from pipeline.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Connections:
    """Clients that threads may share."""

    s3: S3Client
    store: Store
    queue: Queue
    model: Ask
    trials: Trials


@cache
def open_connections(settings: Settings) -> Connections:
    """The connections of this process."""
    s3 = boto3.client("s3", config=CLIENTS)
    dynamodb = boto3.client("dynamodb", config=CLIENTS)
    one_at_once = Lock()  # models inside this function: one computes at a time
    model = _server(settings) if settings.model_server_url else _here(settings, one_at_once)
    return Connections(
        s3=s3,
        store=Store(s3, dynamodb, settings.results_bucket, settings.table_name, settings.input_bucket),
        queue=Queue(boto3.client("sqs", config=CLIENTS), settings.queue_url, settings.dlq_url),
        model=model,
        trials=Trials(
            Rollouts(boto3.client("dynamodb", config=BRIEFLY), settings.ledger_name),
            Samples(s3, settings.results_bucket),
            settings.model,
            model,
            partial(_candidate, settings, one_at_once),
        ),
    )


def _server(settings: Settings, url: str | None = None) -> Ask:
    url = url or settings.model_server_url
    return ModelClient(
        url,
        settings.model_name,
        timeout_s=settings.predict_timeout_s,
        token=token_for(settings.model_server_token_secret, url),
    )


def _here(settings: Settings, one_at_once: Lock) -> Ask:
    named = (settings.model_archive, settings.model_archive_version, settings.model_archive_sha256)
    return _archive(settings, *named, one_at_once=one_at_once)


def _archive(settings: Settings, key: str, version_id: str, sha256: str, *, one_at_once: Lock) -> Ask:
    from pipeline.model_here.archive import ArchiveRef, fetch
    from pipeline.model_here.model import ModelHere

    archive = ArchiveRef(bucket=settings.results_bucket, key=key, version_id=version_id, sha256=sha256)
    return ModelHere(partial(fetch, boto3.client("s3", config=DOWNLOADS), archive), one_at_once=one_at_once)


def _candidate(settings: Settings, one_at_once: Lock, rollout: Rollout) -> Ask:
    """The candidate of a rollout, as the stack's own model: on a server, or beside the other in this function."""
    if settings.model_server_url:
        return _server(settings, rollout.candidate_url or settings.model_server_url)
    named = (rollout.archive_key or "", rollout.archive_version or "", rollout.archive_sha256 or "")
    return _archive(settings, *named, one_at_once=one_at_once)
