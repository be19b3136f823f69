"""What a deployment decides, read from the environment once; one record of settings for each Lambda."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.contracts import ModelFacts
from pipeline.errors import SettingsInvalid

HTTP_URL = r"^https?://[^\s/?#@]+(/[^\s/?#]+)*$"

_Name = Annotated[str, Field(min_length=1)]
_InputBucket = Annotated[_Name, Field(description="the name of the bucket that images are uploaded to")]
_ResultsBucket = Annotated[_Name, Field(description="the name of the bucket that receives the JSON results")]
_TableName = Annotated[_Name, Field(description="the name of the DynamoDB table that receives the rows")]
_LedgerName = Annotated[_Name, Field(description="the name of the DynamoDB table that keeps what batches expect")]
_QueueUrl = Annotated[str, Field(pattern=HTTP_URL, description="the URL of the queue that the messages come from")]
_ModelServerUrl = Annotated[
    str,
    Field(pattern=HTTP_URL, description="the model server's http:// or https:// address without a slash at its end"),
]
_OptionalServerUrl = Annotated[
    str,
    Field(
        pattern=rf"{HTTP_URL}|^$",
        description="the model server's http:// or https:// address without a slash at its end, or empty if the function "
        "itself holds the model",
    ),
]
_ModelServerTokenSecret = Annotated[
    str,
    Field(
        pattern=r"^(arn:[^:\s]+:secretsmanager:[^:\s]+:\d{12}:secret:\S+)?$",
        description="the ARN of the secret that holds the model server's token, or empty if it wants none",
    ),
]
_ModelName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9._-]+$", description="the model's name on the server: letters, digits, '.', '_' and '-'"
    ),
]
_ModelVersion = Annotated[_Name, Field(description="the version of the model that the server is expected to run")]


class _FromEnvironment(BaseModel):
    """Every setting has the name of its environment variable, in small letters; none has a default."""

    model_config = ConfigDict(frozen=True)


class Settings(_FromEnvironment):
    """Of the function that classifies."""

    input_bucket: _InputBucket
    results_bucket: _ResultsBucket
    results: Literal["each", "lines"] = Field(
        description="each (one JSON object for every image) or lines (one object of JSON Lines for many)"
    )
    table_name: _TableName
    ledger_name: _LedgerName
    queue_url: _QueueUrl
    dlq_url: str = Field(pattern=HTTP_URL, description="the URL of the dead-letter queue")
    model_server_url: _OptionalServerUrl
    model_server_token_secret: _ModelServerTokenSecret
    model_archive: str = Field(
        pattern=r"^(models/\S+)?$", description="the archive's key in the results bucket, such as models/balls-1.0.mar"
    )
    model_archive_version: str = Field(description="the version id of that object")
    model_archive_sha256: str = Field(
        pattern=r"^([0-9a-f]{64})?$", description="the SHA-256 of its bytes in 64 hexadecimal digits"
    )
    model_name: _ModelName
    model_version: _ModelVersion
    max_image_bytes: int = Field(gt=0, description="the largest image that is fetched, in bytes, such as 10485760")
    max_receives: int = Field(gt=0, description="the queue's maxReceiveCount: how often a message is tried, such as 10")
    predict_timeout_s: float = Field(
        gt=0, le=900, description="how long the model server may take for one request, in seconds, such as 20"
    )

    @property
    def model(self) -> ModelFacts:
        """The model that is expected to answer; without a hash, which only an answer has."""
        return ModelFacts(name=self.model_name, version=self.model_version)


class GateSettings(_FromEnvironment):
    """Of the function that pauses the queue's event source mapping while the model server is down."""

    event_source_mapping: _Name = Field(description="the UUID of the mapping from the queue to the classify function")
    queue_url: _QueueUrl
    model_server_url: _ModelServerUrl
    model_server_token_secret: _ModelServerTokenSecret
    model_name: _ModelName


class FinishSettings(_FromEnvironment):
    """Of the function that notices that a batch is complete."""

    results_bucket: _ResultsBucket
    table_name: _TableName
    ledger_name: _LedgerName


class BackfillSettings(_FromEnvironment):
    """Of the function that puts a part of an existing bucket on the queue."""

    results_bucket: _ResultsBucket
    table_name: _TableName
    ledger_name: _LedgerName
    queue_url: _QueueUrl
    model_name: _ModelName
    model_version: _ModelVersion
    pause_above: int = Field(gt=0, description="how many messages may wait before a backfill pauses, such as 432000")


class ReconcileSettings(_FromEnvironment):
    """Of the function that looks for uploads without a result."""

    input_bucket: _InputBucket
    table_name: _TableName
    ledger_name: _LedgerName
    queue_url: _QueueUrl
    model_name: _ModelName
    model_version: _ModelVersion
    overdue_after_minutes: int = Field(gt=0, description="after how many minutes an upload is overdue, such as 30")
    look_back_days: int = Field(gt=0, description="how many days back uploads are checked, such as 14")


class RollbackSettings(_FromEnvironment):
    """Of the function that ends a rollout when an alarm is raised."""

    ledger_name: _LedgerName


def settings_from[Kind: _FromEnvironment](environment: Mapping[str, str], kind: type[Kind]) -> Kind:
    """The settings in `environment`; SettingsInvalid names every variable that is missing or wrong, and what it must be."""
    found = {name: environment[name.upper()] for name in kind.model_fields if name.upper() in environment}
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        wrong = [str(problem["loc"][0]) for problem in error.errors()]
        raise SettingsInvalid(" ".join(_sentence(kind, name, found.get(name)) for name in wrong)) from error


def _sentence(kind: type[_FromEnvironment], name: str, value: str | None) -> str:
    is_wrong = "is missing" if value is None else f"is {value!r}"
    return f"{name.upper()} {is_wrong}: it must be {kind.model_fields[name].description}."


@cache
def load_settings[Kind: _FromEnvironment](kind: type[Kind]) -> Kind:
    """The settings of this process."""
    return settings_from(os.environ, kind)
