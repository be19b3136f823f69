"""What a deployment decides, read from the environment once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.contracts import ModelFacts
from pipeline.errors import SettingsInvalid

HTTP_URL = r"^https?://[^\s/?#@]+(/[^\s/?#]+)*$"

_Name = Annotated[str, Field(min_length=1)]


class Settings(BaseModel):
    """Every setting has the name of its environment variable, in small letters; none has a default."""

    model_config = ConfigDict(frozen=True)

    results_bucket: _Name = Field(description="the name of the bucket that receives the JSON results")
    table_name: _Name = Field(description="the name of the DynamoDB table that receives the rows")
    queue_url: str = Field(pattern=HTTP_URL, description="the URL of the queue that the messages come from")
    dlq_url: str = Field(pattern=HTTP_URL, description="the URL of the dead-letter queue")
    model_server_url: str = Field(
        pattern=HTTP_URL, description="the model server's http:// or https:// address without a slash at its end"
    )
    model_name: str = Field(
        pattern=r"^[A-Za-z0-9._-]+$", description="the model's name on the server: letters, digits, '.', '_' and '-'"
    )
    model_version: _Name = Field(description="the version of the model that the server is expected to run")
    max_image_bytes: int = Field(gt=0, description="the largest image that is fetched, in bytes, such as 10485760")
    predict_timeout_s: float = Field(
        gt=0, le=900, description="how long the model server may take for one image, in seconds, such as 20"
    )

    @property
    def model(self) -> ModelFacts:
        """The model that is expected to answer; without a hash, for no server has said so."""
        return ModelFacts(name=self.model_name, version=self.model_version)


def settings_from(environment: Mapping[str, str]) -> Settings:
    """The settings in `environment`; SettingsInvalid names every variable that is missing or wrong, and what it must be."""
    found = {name: environment[name.upper()] for name in Settings.model_fields if name.upper() in environment}
    try:
        return Settings.model_validate(found)
    except ValidationError as error:
        wrong = [str(problem["loc"][0]) for problem in error.errors()]
        raise SettingsInvalid(" ".join(_sentence(name, found.get(name)) for name in wrong)) from error


def _sentence(name: str, value: str | None) -> str:
    is_wrong = "is missing" if value is None else f"is {value!r}"
    return f"{name.upper()} {is_wrong}: it must be {Settings.model_fields[name].description}."


@cache
def load_settings() -> Settings:
    """The settings of this process."""
    return settings_from(os.environ)
