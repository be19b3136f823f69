"""Clients that send requests and take no responses: they are hung up on, and keep nobody out."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from aiohttp import web

from proxy.http.connections import Limits
from proxy.http.replies import MOST_QUOTED
from tests.model_server.proxy.http.test_connections import HEAD, LOOPS, PING, Loop, connected, response
from tests.model_server.proxy.proxies import FakeTorchServe, Proxied, proxied, run

PIPELINED = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" * 500
PICTURE_BYTES = 2**25


@contextmanager
def deaf(proxy: Proxied, *requests: bytes) -> Iterator[socket.socket]:
    """A client that has sent requests and reads nothing, in whose system little waits for it."""
    host, _, port = proxy.url.removeprefix("http://").partition(":")
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.connect((host, int(port)))
        client.setblocking(False)
        for request in requests:
            client.send(request)
        yield client


async def send_all_it_takes(client: socket.socket) -> int:
    """How many bytes of pipelined requests the server takes before it takes no more."""
    sent, quiet = 0, 0
    while quiet < 30:
        try:
            sent, quiet = sent + client.send(PIPELINED[sent % len(PIPELINED) :]), 0
        except BlockingIOError:
            quiet += 1
            await asyncio.sleep(0.01)
    return sent


async def picture(_: list[bytes], __: web.Request) -> web.Response:
    return web.Response(body=bytes(PICTURE_BYTES), content_type="image/png")


EXPLAIN = HEAD.replace(b"predictions", b"explanations") + b"golf "


@LOOPS
@pytest.mark.parametrize("way", ["kept", "last request", "closes its own side"])
def test_a_client_that_reads_nothing_of_a_long_response_is_hung_up_on(way: str, loop: Loop) -> None:
    """Also on a connection that is to end after it: to close that in order would wait for the client."""

    async def scenario() -> None:
        limits = Limits(response_s=0.3)
        ask = EXPLAIN.replace(b"Host", b"Connection: close\r\nHost") if way == "last request" else EXPLAIN
        async with proxied(FakeTorchServe(picture), connections=limits) as proxy:
            with deaf(proxy, ask) as client:
                if way == "closes its own side":
                    client.shutdown(socket.SHUT_WR)
                await asyncio.sleep(1)
                client.setblocking(True)
                assert await asyncio.wait_for(asyncio.to_thread(read_to_its_end, client), 5) < PICTURE_BYTES
            assert proxy.memory.held_bytes == 0
            assert proxy.drain.open_requests == 0

    run(scenario(), loop)


def read_to_its_end(client: socket.socket) -> int:
    """How many bytes there are for a client that reads late."""
    size = 0
    with suppress(ConnectionResetError):
        while piece := client.recv(2**20):
            size += len(piece)
    return size


@LOOPS
def test_a_client_that_reads_slowly_and_steadily_gets_the_whole_response(loop: Loop) -> None:
    async def scenario() -> None:
        limits = Limits(response_s=0.1)
        async with proxied(FakeTorchServe(picture), connections=limits) as proxy, connected(proxy) as (reader, writer):
            writer.write(EXPLAIN)
            await reader.readuntil(b"\r\n\r\n")
            left = PICTURE_BYTES
            for _ in range(8):
                left -= len(await reader.readexactly(PICTURE_BYTES // 16))
                await asyncio.sleep(0.05)
            assert len(await reader.readexactly(left)) == left
            writer.write(PING)
            assert (await response(reader))[0] == 200

    run(scenario(), loop)


@LOOPS
def test_clients_that_read_nothing_make_room_before_others(loop: Loop) -> None:
    async def scenario() -> None:
        async with proxied(connections=Limits(connections=3)) as proxy, connected(proxy) as (resting, ask):
            ask.write(PING)
            assert (await response(resting))[0] == 200
            with deaf(proxy) as first, deaf(proxy) as second:
                for client in (first, second):
                    await send_all_it_takes(client)
                await asyncio.sleep(1)
                for _ in (first, second):
                    async with connected(proxy) as (reader, writer):
                        writer.write(PING)
                        assert (await response(reader))[0] == 200
            ask.write(PING)
            assert (await response(resting))[0] == 200, "it rests, and it reads"

    run(scenario(), loop)


@LOOPS
def test_a_client_that_takes_no_responses_is_not_read_without_an_end(loop: Loop) -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            with deaf(proxy) as client:
                taken = await send_all_it_takes(client)
                assert taken < 32 * 2**20, "what both systems hold, and 32 requests"

    run(scenario(), loop)


def test_a_response_is_no_larger_for_what_was_sent() -> None:
    async def scenario() -> None:
        long = "%01" + "a" * 7000
        async with proxied() as proxy:
            for method, path in (
                ("GET", f"/{long}"),
                ("POST", f"/predictions/{long}"),
                ("POST", f"/predictions/balls/x/{long}"),
                ("DELETE", f"/predictions/{long}"),
                ("GET", f"/v1/models/{long}"),
            ):
                async with proxy.client.request(method, proxy.url + path) as answer:
                    document = await answer.json()
                    assert answer.status in (404, 405)
                    assert "aaa..." in document["message"]
                    assert len(await answer.read()) < MOST_QUOTED + 400, path
            status, document, _ = await proxy.post(b"golf ", **{"Content-Encoding": "b" * 7000})
            assert status == 415
            assert len(document["message"]) < MOST_QUOTED + 200

    run(scenario())
