"""Who answers at the local stack's port: the stack, nobody, or another program, which is named."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
import trustme

from podium import listener
from podium.errors import ConsoleError
from podium.listener import check_listener
from podium.processes import who_listens
from podium.project import LocalStack


def local(port: int) -> LocalStack:
    return LocalStack(emulator_port=port, inference_port=2, management_port=3, metrics_port=4, secret="s")


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """The authority that this home's stack has its certificate from."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setattr(listener, "CA_BUNDLE", tmp_path / "ca.pem")
    return authority


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def answering(server: socket.socket, wrap: ssl.SSLContext | None) -> Thread:
    """Answer one connection, over TLS if there is a context."""

    def answer() -> None:
        connection, _ = server.accept()
        with connection:
            try:
                if wrap is None:
                    connection.recv(1000)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                else:
                    wrap.wrap_socket(connection, server_side=True).close()
            except OSError:
                pass  # the other side has gone: it believes nothing of this

    thread = Thread(target=answer)
    thread.start()
    return thread


def certified(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_the_local_stack_itself_is_believed(authority: trustme.CA, server: socket.socket) -> None:
    thread = answering(server, certified(authority))
    check_listener(local(server.getsockname()[1]))
    thread.join()


@pytest.mark.parametrize("kind", ["another stack", "no TLS"])
def test_another_program_on_the_port_is_named(authority: trustme.CA, server: socket.socket, kind: str) -> None:
    port = server.getsockname()[1]
    thread = answering(server, certified(trustme.CA()) if kind == "another stack" else None)
    with pytest.raises(ConsoleError) as refused:
        check_listener(local(port))
    thread.join()
    sentence = str(refused.value)
    assert f"port {port} is the local stack's, and another program answers there: " in sentence
    assert f"(pid {os.getpid()})" in sentence
    assert "certificate" not in sentence


def test_a_port_on_which_nobody_listens_is_a_stack_that_does_not_run(
    authority: trustme.CA, server: socket.socket
) -> None:
    port = server.getsockname()[1]
    server.close()
    with pytest.raises(ConsoleError, match="the local stack does not run"):
        check_listener(local(port))


def test_a_program_that_takes_the_connection_and_says_nothing_is_named(
    authority: trustme.CA, server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "ANSWERS_WITHIN_S", 0.05)
    with pytest.raises(ConsoleError, match=rf"does not answer.*\(pid {os.getpid()}\)"):
        check_listener(local(server.getsockname()[1]))


def test_a_lost_certificate_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "CA_BUNDLE", tmp_path / "ca.pem")
    with pytest.raises(ConsoleError, match="certificate is gone"):
        check_listener(local(1))


def test_nobody_known_is_said_in_words(server: socket.socket) -> None:
    port = server.getsockname()[1]
    server.close()
    assert who_listens(port) == "a program of another user, or in a container"
