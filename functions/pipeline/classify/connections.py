"""What a process of the classify function opens once, when its first SQS batch arrives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

import boto3

from pipeline.aws import CLIENTS, DOWNLOADS
from pipeline.classify.ask import Ask
from pipeline.model_server.client import ModelClient
from pipeline.model_server.token import token_for
from pipeline.queue.messages import Queue
from pipeline.results.store import Store
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


@cache
def open_connections(settings: Settings) -> Connections:
    """The connections of this process."""
    s3 = boto3.client("s3", config=CLIENTS)
    dynamodb = boto3.client("dynamodb", config=CLIENTS)
    model = _server(settings) if settings.model_server_url else _here(settings)
    return Connections(
        s3=s3,
        store=Store(s3, dynamodb, settings.results_bucket, settings.table_name, settings.input_bucket),
        queue=Queue(boto3.client("sqs", config=CLIENTS), settings.queue_url, settings.dlq_url),
        model=model,
    )


def _server(settings: Settings) -> Ask:
    return ModelClient(
        settings.model_server_url,
        settings.model_name,
        timeout_s=settings.predict_timeout_s,
        token=token_for(settings.model_server_token_secret, settings.model_server_url),
    )


def _here(settings: Settings) -> Ask:
    from pipeline.model_here.archive import ArchiveRef, fetch
    from pipeline.model_here.model import ModelHere

    archive = ArchiveRef(
        bucket=settings.results_bucket,
        key=settings.model_archive,
        version_id=settings.model_archive_version,
        sha256=settings.model_archive_sha256,
    )
    return ModelHere(partial(fetch, boto3.client("s3", config=DOWNLOADS), archive))
