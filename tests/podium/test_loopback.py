"""A proxy of the person's network never lies between the console and this machine's own servers."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import trustme

from pipeline.contracts import ModelFacts
from podium import connection as connections
from podium.care.reclassify import check_served
from podium.connection import Connection
from podium.errors import ConsoleError
from podium.local import emulator
from podium.loopback import without_proxy
from podium.project import LocalStack

NOWHERE = "http://127.0.0.1:1"  # a proxy that does not answer


class Answers(BaseHTTPRequestHandler):
    """An empty list of buckets for every path but those of models."""

    def do_GET(self) -> None:
        body = b"<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>"
        self.send_response(404 if self.path.startswith("/models") else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server has
        """Nothing."""


@pytest.fixture(autouse=True)
def behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, NOWHERE)
        monkeypatch.setenv(name.lower(), NOWHERE)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as listening:
        yield listening
        listening.shutdown()


def serve(server: ThreadingHTTPServer) -> int:
    Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def local(port: int) -> LocalStack:
    return LocalStack(emulator_port=port, inference_port=port, management_port=port, metrics_port=port, secret="s")


def test_the_embedded_aws_is_reached(
    server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    stack = local(serve(server))
    for room in (connections, emulator):
        monkeypatch.setattr(room, "CA_BUNDLE", tmp_path / "ca.pem")
    monkeypatch.setattr(connections, "local_stack", lambda: stack)
    assert emulator.answers(stack)
    assert Connection(None).s3.list_buckets()["Buckets"] == []


def test_the_model_server_is_reached(server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = local(serve(server))
    assert connections.answers(f"{stack.model_server_url}/ping")
    with pytest.raises(ConsoleError, match=r"has no balls@2\.0"):
        check_served(f"http://127.0.0.1:{stack.management_port}", ModelFacts(name="balls", version="2.0"))


@pytest.mark.parametrize(
    ("before", "hosts"),
    [
        ({}, {"127.0.0.1,localhost,::1"}),
        ({"NO_PROXY": ".corp.example, localhost"}, {".corp.example,localhost,127.0.0.1,::1"}),
        ({"no_proxy": "a"}, {"a,127.0.0.1,localhost,::1"}),
        ({"NO_PROXY": "a", "no_proxy": "b"}, {"a,127.0.0.1,localhost,::1", "b,127.0.0.1,localhost,::1"}),
        ({"NO_PROXY": "*", "no_proxy": "*"}, {"*"}),
    ],
)
def test_hosts_that_need_no_proxy_stay_and_loopback_comes_to_them(before: dict[str, str], hosts: set[str]) -> None:
    after = without_proxy(before)
    assert after.keys() == {"NO_PROXY", "no_proxy"}
    assert set(after.values()) == hosts
    assert without_proxy(after) == after


def test_the_functions_go_to_loopback_without_the_proxy_which_they_inherit() -> None:
    environment = emulator.server_environment(local(4566))
    assert environment["HTTPS_PROXY"] == NOWHERE
    assert environment["NO_PROXY"] == environment["no_proxy"] == "127.0.0.1,localhost,::1"
