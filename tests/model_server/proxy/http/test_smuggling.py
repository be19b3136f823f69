"""A request that two servers could read as different requests is refused, and what follows on its connection is never read.

The attack: https://portswigger.net/web-security/request-smuggling. RFC 9112, section 6.3: what is ambiguous is an error.
"""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from tests.model_server.proxy.proxies import FakeTorchServe, proxied, run

START = b"POST /predictions/balls HTTP/1.1\r\nHost: x\r\n"
SMUGGLED = START + b"Connection: close\r\nContent-Length: 8\r\n\r\nsmuggled"
CHUNKED = b"5\r\nimage\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked", CHUNKED),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5", CHUNKED),
        (b"Content-Length: 5\r\nContent-Length: 42", b"image"),
        (b"Content-Length: 5, 42", b"image"),
        (b"Content-Length: +5", b"image"),
        (b"Content-Length: 0x5", b"image"),
        (b"Content-Length: 5_0", b"image"),
        (b"Content-Length : 5", b"image"),
        (b"Transfer-Encoding: chunked, identity", CHUNKED),
        (b"Transfer-Encoding: xchunked", CHUNKED),
        (b"Transfer-Encoding : chunked", CHUNKED),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", CHUNKED),
        (b"X: 1\r\n Transfer-Encoding: chunked", CHUNKED),
        (b"X: 1\nTransfer-Encoding: chunked", CHUNKED),
        (b"X: a\0b\r\nContent-Length: 5", b"image"),
        (b"Transfer-Encoding: chunked", b"0x5\r\nimage\r\n0\r\n\r\n"),
        (b"Transfer-Encoding: chunked", b"5 \r\nimage\r\n0\r\n\r\n"),
        (b"Transfer-Encoding: chunked", b"5\nimage\r\n0\r\n\r\n"),
        (b"Transfer-Encoding: chunked", b"-5\r\nimage\r\n0\r\n\r\n"),
        (b"Transfer-Encoding: chunked", b"5\r\nimageX\r\n0\r\n\r\n"),
    ],
)
def test_a_request_with_two_readings_is_refused_and_nothing_behind_it_is_read(headers: bytes, body: bytes) -> None:
    torchserve = FakeTorchServe()

    async def scenario() -> None:
        async with proxied(torchserve) as proxy:
            host, _, port = proxy.url.removeprefix("http://").partition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(START + headers + b"\r\n\r\n" + body + SMUGGLED)
            raw = await asyncio.wait_for(reader.read(), 5)  # to the end: the connection is closed
            writer.close()
            assert len(re.findall(rb"HTTP/1\.[01] \d{3} ", raw)) == 1
            assert json.loads(raw.partition(b"\r\n\r\n")[2])["code"] == 400

    run(scenario())
    assert b"smuggled" not in b"".join(image for group in torchserve.groups for image in group)


def test_a_request_with_one_reading_is_answered_and_so_is_the_next() -> None:
    """Else the test above would pass with a proxy that answers nothing."""
    torchserve = FakeTorchServe()

    async def scenario() -> None:
        async with proxied(torchserve) as proxy:
            host, _, port = proxy.url.removeprefix("http://").partition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(START + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED + SMUGGLED)
            raw = await asyncio.wait_for(reader.read(), 5)
            writer.close()
            assert len(re.findall(rb"HTTP/1\.1 200 ", raw)) == 2

    run(scenario())
    assert [b"image"] in torchserve.groups
    assert [b"smuggled"] in torchserve.groups
