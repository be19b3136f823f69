"""The log of the embedded AWS: a line about an odd connection, a traceback about a fault."""

from __future__ import annotations

import asyncio
import logging
import ssl

import pytest

from podium.local.front.connections import note


@pytest.mark.parametrize(
    "error",
    [ssl.SSLError("application data after close notify"), KeyError(1), ExceptionGroup("tasks", [ExceptionGroup("x", [KeyError(1)])])],
)  # fmt: skip
def test_an_odd_connection_is_one_line(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.new_event_loop()
    note(loop, {"message": "Unhandled exception in client_connected_cb", "exception": error, "transport": object()})
    loop.close()
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.exc_info is None
    assert record.getMessage().startswith("a connection ended: ")
    assert type(error).__name__ in record.getMessage() or "KeyError(1)" in record.getMessage()


def test_any_other_fault_keeps_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.new_event_loop()
    note(loop, {"message": "Task exception was never retrieved", "exception": ValueError("x")})
    loop.close()
    [record] = caplog.records
    assert record.exc_info is not None
