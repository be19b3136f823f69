"""Clients that take long, that send no more but still listen, and too many of them."""

from __future__ import annotations

import asyncio
import json
import re
import resource
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import uvloop
from aiohttp import web

from proxy.http.connections import OTHER_FILES, Limits, limited_by_system
from tests.model_server.proxy.proxies import FakeTorchServe, Proxied, classify, proxied, run

HEAD = b"POST /predictions/balls HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
PING = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def connected(proxy: Proxied) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, _, port = proxy.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


async def response(reader: asyncio.StreamReader) -> tuple[int, Any]:
    """Status and document of one response; the server may go on reading what it does not want."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    assert length is not None
    return int(head.split()[1]), json.loads(await reader.readexactly(int(length[1])))


def parsed(raw: bytes) -> tuple[int, Any]:
    """Status and document of the last response; interim ones come before it."""
    head, _, body = raw.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
Loop = Callable[[], asyncio.AbstractEventLoop]


class Gate:
    """A TorchServe that answers when it is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    async def behave(self, images: list[bytes], request: web.Request) -> web.Response:
        await self.opened.wait()
        return await classify(images, request)


@LOOPS
@pytest.mark.parametrize("sent", [b"POST /predictions/balls HTTP/1.1\r\nHost: x\r\nX-Half: ", b"P", PING[:-1]])
def test_half_a_header_does_not_keep_a_connection_open(sent: bytes, loop: Loop) -> None:
    async def scenario() -> None:
        async with proxied(connections=Limits(headers_s=0.2)) as proxy, connected(proxy) as (reader, writer):
            writer.write(sent)
            status, document = parsed(await reader.read())
            assert (status, document["code"]) == (408, 408)
            assert document["message"] == "The request's headers did not come within 0.2 s."

    run(scenario(), loop)


@LOOPS
@pytest.mark.parametrize(
    ("sent", "wanted", "words"),
    [
        (b"FOO<>BAR /ping HTTP/1.1\r\n\r\n", 400, "cannot be read as HTTP: "),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "Send plain HTTP/1.1"),
        (b"GET /ping HTTP/1.1\r\nno colon\r\n\r\n", 400, "cannot be read as HTTP: "),
        (b"POST /predictions/balls HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 400, "cannot be read as HTTP: "),
        (b"GET /ping HTTP/1.1\r\nHost: x\r\nX-Long: " + b"y" * 9_000 + b"\r\n\r\n", 431, "longer than 8,190 bytes"),
        (b"GET /" + b"y" * 9_000 + b" HTTP/1.1\r\n\r\n", 431, "longer than 8,190 bytes"),
    ],
    ids=["method", "TLS", "header", "length", "long header", "long path"],
)
def test_what_cannot_be_read_as_http_is_answered_in_json(sent: bytes, wanted: int, words: str, loop: Loop) -> None:
    async def scenario() -> None:
        async with proxied() as proxy, connected(proxy) as (reader, writer):
            writer.write(sent)
            raw = await asyncio.wait_for(reader.read(), 5)
            assert b"Content-Type: application/json" in raw
            status, document = parsed(raw)
            assert (status, document["code"]) == (wanted, wanted)
            assert words in document["message"]
            assert "yyy" not in document["message"]

    run(scenario(), loop)


@pytest.mark.parametrize("body", [b"zz\r\ngolf \r\n0\r\n\r\n", b"5\r\ngolf too long\r\n"], ids=["size", "end"])
@pytest.mark.parametrize("later", [False, True], ids=["at once", "behind its headers"])
@LOOPS
def test_a_body_in_broken_chunks_is_the_requests_fault_in_json(body: bytes, later: bool, loop: Loop) -> None:
    head = b"POST /predictions/balls HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def scenario() -> None:
        async with proxied() as proxy, connected(proxy) as (reader, writer):
            writer.write(head + b"5\r\ngolf \r\n" * later)
            if later:
                while not proxy.memory.held_bytes:
                    await asyncio.sleep(0.01)
            writer.write(body)
            status, document = parsed(await asyncio.wait_for(reader.read(), 5))
            assert (status, document["code"]) == (400, 400)
            assert "cannot be read" in document["message"]
            assert proxy.memory.held_bytes == 0
            async with proxy.client.get(f"{proxy.url}/ping") as ping:
                assert ping.status == 200

    run(scenario(), loop)


def test_headers_that_trickle_have_no_more_time_than_others() -> None:
    async def scenario() -> None:
        async with proxied(connections=Limits(headers_s=0.3)) as proxy, connected(proxy) as (reader, writer):
            reading = asyncio.create_task(reader.read())
            for letter in PING:
                writer.write(bytes([letter]))
                await asyncio.sleep(0.05)
                if reading.done():
                    break
            assert parsed(await reading)[0] == 408

    run(scenario())


def test_who_says_nothing_is_hung_up_on_without_a_word() -> None:
    async def scenario() -> None:
        async with proxied(connections=Limits(headers_s=0.1)) as proxy, connected(proxy) as (reader, _):
            assert await reader.read() == b""

    run(scenario())


@pytest.mark.parametrize("rest_s", [0.0, 0.5], ids=["at once", "after a rest"])
def test_a_connection_that_is_kept_may_rest_between_requests_and_half_a_second_one_is_cut(rest_s: float) -> None:
    async def scenario() -> None:
        async with proxied(connections=Limits(headers_s=0.3)) as proxy, connected(proxy) as (reader, writer):
            for _ in range(2):
                writer.write(PING)
                assert (await response(reader))[0] == 200
                await asyncio.sleep(rest_s)
            writer.write(PING[:10])
            assert parsed(await asyncio.wait_for(reader.read(), 5))[0] == 408

    run(scenario())


def test_a_request_that_waits_long_for_its_answer_is_not_cut_by_the_clock_of_headers() -> None:
    async def scenario() -> None:
        gate = Gate()
        async with proxied(FakeTorchServe(gate.behave), connections=Limits(headers_s=0.1)) as proxy:
            asked = asyncio.create_task(proxy.post(b"golf "))
            await asyncio.sleep(0.4)
            gate.opened.set()
            assert (await asked)[0] == 200

    run(scenario())


@pytest.mark.parametrize("piece", [b"", b"g"])
def test_a_body_that_stalls_or_trickles_gives_up_its_place(piece: bytes) -> None:
    async def scenario() -> None:
        async with proxied(body_s=0.3) as proxy, connected(proxy) as (reader, writer):
            writer.write(HEAD.replace(b"5", b"500"))
            reading = asyncio.create_task(response(reader))
            while not reading.done():
                writer.write(piece)
                await asyncio.sleep(0.05)
            status, document = await reading
            assert (status, document["code"]) == (408, 408)
            assert document["message"].startswith("The request's body came too slowly.")
            assert proxy.memory.held_bytes == 0
            assert proxy.drain.open_requests == 0

    run(scenario())


def test_a_large_body_over_a_slow_line_has_time_by_what_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.http.pace.SLOWEST_BYTES_A_S", 2**16)

    async def scenario() -> None:
        async with proxied(body_s=0.2) as proxy, connected(proxy) as (reader, writer):
            writer.write(HEAD.replace(b"5", b"80000"))
            for _ in range(8):  # 0.8 s in all: 0.2, and 1.2 for 80,000 bytes
                writer.write(b"golf " * 2000)
                await asyncio.sleep(0.1)
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")

    run(scenario())


@LOOPS
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_client_that_closes_its_own_side_gets_its_answer(version: bytes, at_once: bool, loop: Loop) -> None:
    """As `nc -N` does, and clients that mark the end of a request like this."""

    async def scenario() -> None:
        gate = Gate()
        async with proxied(FakeTorchServe(gate.behave)) as proxy, connected(proxy) as (reader, writer):
            writer.write(HEAD.replace(b"1.1", version) + b"golf ")
            if not at_once:
                await asyncio.sleep(0.1)
            writer.write_eof()
            await asyncio.sleep(0.4)
            gate.opened.set()
            raw = await asyncio.wait_for(reader.read(), 5)
            assert version == b"1.1" or b" 100 " not in raw, "HTTP/1.0 knows no interim responses"
            status, document = parsed(raw)
            assert (status, document["predictions"][0]["label"]) == (200, "golf")

    run(scenario(), loop)


@LOOPS
def test_all_requests_of_a_half_closed_client_are_answered_and_then_the_connection_ends(loop: Loop) -> None:
    async def scenario() -> None:
        async with proxied() as proxy, connected(proxy) as (reader, writer):
            writer.write((HEAD + b"golf ") * 3)
            writer.write_eof()
            raw = await asyncio.wait_for(reader.read(), 5)
            assert raw.count(b'"label": "golf"') == 3

    run(scenario(), loop)


@LOOPS
def test_a_client_that_closes_its_own_side_while_it_reads_gets_the_rest_of_its_answer(loop: Loop) -> None:
    async def explain(_: list[bytes], __: web.Request) -> web.Response:
        return web.Response(body=bytes(2**25), content_type="image/png")

    async def scenario() -> None:
        async with proxied(FakeTorchServe(explain)) as proxy, connected(proxy) as (reader, writer):
            writer.write(HEAD.replace(b"predictions", b"explanations") + b"golf ")
            await reader.readuntil(b"\r\n\r\n")
            writer.write_eof()
            await asyncio.sleep(0.1)
            assert len(await asyncio.wait_for(reader.read(), 5)) == 2**25

    run(scenario(), loop)


@LOOPS
def test_half_a_request_of_a_half_closed_client_is_given_up(loop: Loop) -> None:
    async def scenario() -> None:
        async with proxied() as proxy, connected(proxy) as (reader, writer):
            writer.write(HEAD + b"gol")
            writer.write_eof()
            assert b" 200 " not in await asyncio.wait_for(reader.read(), 5)
            assert proxy.memory.held_bytes == 0

    run(scenario(), loop)


@LOOPS
@pytest.mark.parametrize("how", ["closes", "dies"])
def test_the_images_of_a_client_that_is_gone_altogether_are_dropped(how: str, loop: Loop) -> None:
    async def scenario() -> None:
        gate = Gate()
        async with proxied(FakeTorchServe(gate.behave)) as proxy, connected(proxy) as (_, writer):
            writer.write(HEAD + b"golf ")
            while not proxy.drain.open_requests:
                await asyncio.sleep(0.01)
            if how == "dies":
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.close()
            async with asyncio.timeout(5):
                while proxy.drain.open_requests:
                    await asyncio.sleep(0.05)
            assert not gate.opened.is_set()
            gate.opened.set()

    run(scenario(), loop)


@LOOPS
def test_with_too_many_requests_at_once_the_next_connection_is_told_so_and_the_others_go_on(loop: Loop) -> None:
    async def scenario() -> None:
        gate = Gate()
        limits = Limits(connections=3)
        async with proxied(FakeTorchServe(gate.behave), connections=limits) as proxy, AsyncExitStack() as stack:
            busy = [await stack.enter_async_context(connected(proxy)) for _ in range(3)]
            for _, writer in busy:
                writer.write(HEAD + b"golf ")
            while proxy.drain.open_requests < 3:
                await asyncio.sleep(0.01)
            async with connected(proxy) as (reader, _):
                raw = await reader.read()
                status, document = parsed(raw)
                assert (status, document["message"]) == (503, "Too many connections are open.")
                assert b"Retry-After: 1\r\n" in raw
            gate.opened.set()
            for reader, _ in busy:
                assert (await response(reader))[0] == 200

    run(scenario(), loop)


@LOOPS
def test_those_that_owe_their_headers_make_room_before_those_that_rest(loop: Loop) -> None:
    async def scenario() -> None:
        limits = Limits(connections=4, headers_s=60)
        async with proxied(connections=limits) as proxy, AsyncExitStack() as stack:
            (resting, ask), (first, half), (second, _), (third, other_half) = [
                await stack.enter_async_context(connected(proxy)) for _ in range(4)
            ]
            ask.write(PING)
            assert (await response(resting))[0] == 200
            half.write(PING[:10])
            other_half.write(PING[:10])
            await asyncio.sleep(0.1)
            for gone in (first, second, third):
                reader, writer = await stack.enter_async_context(connected(proxy))
                writer.write(PING)
                assert (await response(reader))[0] == 200
                assert await asyncio.wait_for(gone.read(), 5) == b""
            ask.write(PING)
            assert (await response(resting))[0] == 200
            reader, writer = await stack.enter_async_context(connected(proxy))
            writer.write(PING)
            assert (await response(reader))[0] == 200
            assert await asyncio.wait_for(resting.read(), 5) == b"", "the oldest of those that rest"

    run(scenario(), loop)


@LOOPS
def test_twelve_hundred_half_headers_keep_nobody_out(loop: Loop) -> None:
    """They stayed open, and each held a file descriptor."""

    async def scenario() -> None:
        limits = limited_by_system(Limits(connections=200, headers_s=60))
        if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 3000:
            pytest.skip("the system lets a process open too few files for this")
        async with proxied(connections=limits) as proxy, AsyncExitStack() as stack:
            for _ in range(1200):
                _, writer = await stack.enter_async_context(connected(proxy))
                writer.write(PING[:10])
            assert (await proxy.post(b"golf "))[0] == 200

    run(scenario(), loop)


def test_a_process_that_may_open_few_files_takes_fewer_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: raised.append(limits))
    for soft, hard, connections in (
        (1024, 524288, 1024),
        (1024, resource.RLIM_INFINITY, 1024),
        (1024, 1024, 1024 - OTHER_FILES),
        (100, 100, 1),
        (4096, 4096, 1024),
    ):
        monkeypatch.setattr(resource, "getrlimit", lambda _, found=(soft, hard): found)
        assert limited_by_system(Limits()).connections == connections
    assert raised == [(1024 + OTHER_FILES, 524288), (1024 + OTHER_FILES, -1), (1024, 1024), (100, 100)]
