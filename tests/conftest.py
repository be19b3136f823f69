"""What tests of several rooms share."""

from __future__ import annotations

import boto3
import pytest
from hypothesis import settings

# A property holds on a busy machine too, on which any example may take longer than hypothesis's 200 ms.
settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")

pytest_plugins = ("tests.model_server.fixtures",)  # archives, for tests/inference and tests/model_server


@pytest.fixture(scope="session")
def aws_session() -> boto3.Session:
    """One for the whole run: it keeps the service descriptions that each client would else read again."""
    return boto3.Session("testing", "testing", region_name="us-east-1")
