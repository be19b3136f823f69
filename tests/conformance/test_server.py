"""A server of anybody's: MODEL_SERVER_URL=http://127.0.0.1:8080 MODEL_NAME=balls pytest tests/conformance/test_server.py

MODEL_SERVER_TOKEN is the bearer token of a server that wants one.
"""

from __future__ import annotations

import os

import pytest

from tests.conformance.promises import PROMISES
from tests.conformance.server import NotOffered, Promise, Server


@pytest.fixture(scope="module")
def server() -> Server:
    if not os.environ.get("MODEL_SERVER_URL"):
        pytest.skip("MODEL_SERVER_URL names no server to look at")
    url, name = os.environ["MODEL_SERVER_URL"].rstrip("/"), os.environ.get("MODEL_NAME", "classifier")
    return Server(url, name, os.environ.get("MODEL_SERVER_TOKEN"))


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_the_server_keeps(promise: Promise, server: Server) -> None:
    try:
        promise(server)
    except NotOffered as reason:
        pytest.skip(str(reason))
