"""Podium's own model server, the proxy with TorchServe behind it, keeps every promise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from podium.local import model_server as torchserve
from tests.conformance.promises import PROMISES, the_server
from tests.conformance.server import NotOffered, Promise, Server
from tests.model_server.archives import pack, write_unpacked

pytestmark = [pytest.mark.torch, pytest.mark.stack]

READY_WITHIN_S = 180


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("server")
    unpacked = write_unpacked(tmp_path_factory.mktemp("unpacked") / "balls")
    archive = pack(unpacked, tmp_path_factory.mktemp("store"), tmp_path_factory.mktemp("packing"))
    try:
        address = torchserve.start(home=home, archive=archive, ports=torchserve.free_ports())
        torchserve.wait_ready(address, "balls", READY_WITHIN_S)
        yield Server(address.inference_url, "balls")
    finally:
        torchserve.stop(home)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_our_model_server_keeps(promise: Promise, server: Server) -> None:
    try:
        promise(server)
    except NotOffered:
        assert promise in {
            the_server.a_busy_server_sends_a_retry_after,  # a fast machine may take all that is sent
            the_server.without_a_known_token_a_request_is_unauthorized,  # see test_proxy.py
        }
