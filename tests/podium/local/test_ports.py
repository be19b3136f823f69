"""The local stack's ports, some of which other programs have taken."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from podium.errors import ConsoleError
from podium.local.stack import move_server
from podium.project import DEFAULT_PORTS, LocalStack, choose_ports

PORTS = {"emulator_port": 4566, "inference_port": 8080, "management_port": 8081, "metrics_port": 8082}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DEFAULT_PORTS:
        monkeypatch.delenv(f"PODIUM_{name.upper()}_PORT", raising=False)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which a program listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_the_server_moves_while_the_embedded_aws_listens_on_the_port_that_the_person_has_set(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`podium up` has just started it there."""
    monkeypatch.setenv("PODIUM_EMULATOR_PORT", str(taken))
    local = LocalStack.model_validate({**PORTS, "emulator_port": taken, "secret": "s"})
    moved = move_server(local)
    assert moved.emulator_port == taken
    assert moved.secret == "s"


def test_a_server_s_port_that_the_person_has_set_is_named_with_who_took_it(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODIUM_INFERENCE_PORT", str(taken))
    with pytest.raises(ConsoleError) as refused:
        move_server(LocalStack.model_validate(PORTS))
    assert f"port {taken} (PODIUM_INFERENCE_PORT) is taken by " in str(refused.value)
    assert f"(pid {os.getpid()})" in str(refused.value)


@pytest.mark.parametrize("value", ["0", "-5", "80", "65536", "70000", "²²²²", "9" * 5000, "7599 ", "1e4", ""])
def test_a_value_that_is_no_port_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODIUM_METRICS_PORT", value)
    with pytest.raises(
        ConsoleError, match=r"PODIUM_METRICS_PORT=.* is no port\. Set it to a number from 1024 to 65535"
    ):
        choose_ports()
