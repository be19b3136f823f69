"""The log's line of metrics."""

from __future__ import annotations

import asyncio
import logging

import pytest

from proxy.minutes import Minutes
from tests.model_server.proxy.http.test_server import tar
from tests.model_server.proxy.proxies import proxied, run


def test_a_line_counts_the_responses_since_the_last_one_and_an_idle_minute_has_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "proxy.minutes")

    async def scenario() -> None:
        async with proxied() as proxy:
            minutes = Minutes(proxy.metrics)
            minutes.write()
            assert caplog.messages == []
            await proxy.post(tar(b"a", b"b", b"bad"))
            await proxy.post(b"a", "/predictions/cats")
            minutes.write()
            minutes.write()
            [line] = caplog.messages
            prefix, *pairs = line.split(" ")
            facts = dict(pair.split("=") for pair in pairs)
            assert prefix == "metrics:"
            assert float(facts.pop("queue_ms")) >= 0
            assert 1 <= float(facts.pop("group_images")) <= 3
            assert facts == {
                "images_200": "2", "images_415": "1", "rejected_unsupported_format": "1", "rejected_404": "1",
                "decode_ms": "1.00", "forward_ms": "4.00",
            }  # fmt: skip
            await proxy.post(b"a")
            minutes.write()
            assert caplog.messages[1].startswith("metrics: images_200=1 group_images=1.00 queue_ms=")

    run(scenario())


def test_a_minute_of_refusals_alone_has_a_line_without_means(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "proxy.minutes")

    async def scenario() -> None:
        async with proxied() as proxy:
            minutes = Minutes(proxy.metrics)
            await proxy.post(b"a", "/predictions/cats")
            writing = asyncio.create_task(minutes.write_each(0.01))
            while not caplog.messages:
                await asyncio.sleep(0.01)
            writing.cancel()
            assert caplog.messages == ["metrics: rejected_404=1"]

    run(scenario())
