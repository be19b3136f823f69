"""An account of moto's for `podium doctor`, which may be a new one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from podium import aws_account

Answers = dict[str, dict[str, Any]]
REGION = "us-east-1"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Keys of an account of moto's, and no AWS configuration of this machine."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL", "PODIUM_SHELL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(aws_account, "ROOT", tmp_path)
    (tmp_path / "samconfig.toml").write_text("version = 0.1\n")
    with mock_aws():
        yield


@pytest.fixture
def session_with(account: None) -> Callable[[Answers], boto3.Session]:
    """A session in which these operations are answered so (`lambda.GetAccountSettings`): moto has them not, or not whole."""

    def make(answers: Answers) -> boto3.Session:
        session = boto3.Session(region_name=REGION)
        for operation, body in answers.items():
            answered: Any = (SimpleNamespace(status_code=400 if "Error" in body else 200), body)
            session.events.register(f"before-call.{operation}", lambda answered=answered, **_: answered)
        return session

    return make
