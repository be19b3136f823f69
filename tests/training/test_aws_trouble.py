"""S3 without credentials or network, in the words of the console, for training and prediction alike."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import boto3
import pytest

from training.aws_trouble import trouble
from training.data.s3 import fetch
from training.errors import TrainingError
from training.prediction.sources import given_photos


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A person without AWS keys, and an S3 at whose port nobody listens."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return monkeypatch


def refused(tmp_path: Path) -> list[str]:
    """What training and prediction say."""
    with pytest.raises(TrainingError) as by_training:
        fetch("s3://photos/new", tmp_path)
    with pytest.raises(TrainingError) as by_prediction:
        given_photos(["s3://photos/new"])
    return [str(by_training.value), str(by_prediction.value)]


def test_without_credentials_the_advice_is_to_sign_in(alone: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for sentence in refused(tmp_path):
        assert "no AWS credentials: unable to locate credentials. Sign in (`aws sso login`" in sentence


def test_without_a_network_the_advice_is_to_look_at_it(alone: pytest.MonkeyPatch, tmp_path: Path) -> None:
    alone.setenv("AWS_ACCESS_KEY_ID", "mine")
    alone.setenv("AWS_SECRET_ACCESS_KEY", "mine")
    for sentence in refused(tmp_path):
        assert "S3 cannot be reached (could not connect to the endpoint URL" in sentence
        assert "Check your network, and HTTPS_PROXY if you need one." in sentence


def test_a_profile_that_there_is_not_is_named(alone: pytest.MonkeyPatch, tmp_path: Path) -> None:
    alone.setenv("AWS_PROFILE", "wrok")
    for sentence in refused(tmp_path):
        assert "(wrok) could not be found. Unset AWS_PROFILE" in sentence


def test_an_endpoint_that_is_no_address_is_named(alone: pytest.MonkeyPatch, tmp_path: Path) -> None:
    alone.setenv("AWS_ENDPOINT_URL", "elsewhere")
    for sentence in refused(tmp_path):
        assert "invalid endpoint: elsewhere" in sentence.casefold()
        assert "AWS_ENDPOINT_URL" in sentence


def test_too_many_open_files_are_no_trouble_of_the_network() -> None:
    from botocore.exceptions import EndpointConnectionError

    error = EndpointConnectionError(endpoint_url="https://s3")
    error.__context__ = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    assert trouble(error) == "This shell allows no more open files. Raise its limit, as ulimit -n 4096, and try again."
