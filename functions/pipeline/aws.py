"""What a process opens once, when its first SQS batch arrives: the AWS clients and the model server's connections."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from pipeline.classify.waves import IMAGES_AT_ONCE
from pipeline.model_server.client import ModelClient
from pipeline.model_server.token import token_for
from pipeline.queue.messages import Queue
from pipeline.results.store import Store
from pipeline.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# SQS is the layer that retries. AWS's clients have one second try of their own: a connection that died while the
# Lambda was frozen, or one slow-down of S3, would else cost an inference that was done and a visibility time-out.
CLIENTS = Config(
    connect_timeout=3,
    read_timeout=5,
    retries={"total_max_attempts": 2, "mode": "standard"},
    max_pool_connections=IMAGES_AT_ONCE,
)


@dataclass(frozen=True)
class Connections:
    """Clients that threads may share."""

    s3: S3Client
    store: Store
    queue: Queue
    model: ModelClient


@cache
def open_connections(settings: Settings) -> Connections:
    """The connections of this process."""
    s3 = boto3.client("s3", config=CLIENTS)
    return Connections(
        s3=s3,
        store=Store(
            s3,
            boto3.client("dynamodb", config=CLIENTS),
            settings.results_bucket,
            settings.table_name,
            settings.input_bucket,
        ),
        queue=Queue(boto3.client("sqs", config=CLIENTS), settings.queue_url, settings.dlq_url),
        model=ModelClient(
            settings.model_server_url,
            settings.model_name,
            timeout_s=settings.predict_timeout_s,
            connections=IMAGES_AT_ONCE,
            token=token_for(settings.model_server_token_secret, settings.model_server_url),
        ),
    )
