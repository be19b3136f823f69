"""The closed-loop client: what it sends, what it counts, and what it calls lost."""

from __future__ import annotations

import socket
from itertools import cycle

import pytest

from benchmarks.serving.load import ClosedLoop
from benchmarks.serving.wire import Answer, NotWhole, Request, parse, post
from tests.benchmarks.tiny_server import OK, tiny_server

PHOTO = b"\xff\xd8" + bytes(range(256)) * 8000  # 2 MB: more than a socket takes at once


def requests(count: int, body: bytes = b"photo") -> list[Request]:
    return [Request(post("/predictions/balls", body), photo=number) for number in range(count)]


def test_every_request_is_sent_once_and_counted() -> None:
    with tiny_server(lambda _: OK) as server:
        outcome = ClosedLoop(server.address, requests(20), clients=4).run(seconds=30)
    assert server.bodies == [b"photo"] * 20
    assert (outcome.images, dict(outcome.statuses), outcome.cut, outcome.refused) == (20, {200: 20}, 0, 0)
    assert len(outcome.latencies_ms) == 20
    assert set(outcome.bodies) == set(range(20))


def test_a_body_larger_than_the_sockets_buffers_arrives_whole() -> None:
    with tiny_server(lambda _: OK) as server:
        ClosedLoop(server.address, requests(4, PHOTO), clients=2).run(seconds=30)
    assert server.bodies == [PHOTO] * 4


def test_images_are_counted_not_requests() -> None:
    many = [Request(post("/predictions/balls", b"tar"), images=16)] * 3
    with tiny_server(lambda _: OK) as server:
        outcome = ClosedLoop(server.address, many, clients=1).run(seconds=30)
    assert outcome.images == 48


def test_what_is_not_200_is_counted_by_its_status_and_brings_no_images() -> None:
    busy = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with tiny_server(lambda _: busy) as server:
        outcome = ClosedLoop(server.address, requests(6), clients=2).run(seconds=30)
    assert (outcome.images, dict(outcome.statuses), outcome.latencies_ms) == (0, {503: 6}, [])


def test_a_client_that_heeds_retry_after_does_not_come_back_at_once() -> None:
    draining = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 5\r\nConnection: close\r\n\r\n"
    with tiny_server(lambda _: draining) as server:
        outcome = ClosedLoop(server.address, cycle(requests(1)), clients=3, heeds_retry_after=True).run(seconds=30)
    assert (dict(outcome.statuses), outcome.cut) == ({503: 3}, 0)


def test_a_connection_that_ends_before_its_response_is_a_cut_request_and_the_client_goes_on() -> None:
    answers = iter([OK, None, OK, OK])
    with tiny_server(lambda _: next(answers)) as server:
        outcome = ClosedLoop(server.address, requests(4), clients=1).run(seconds=30)
    assert (outcome.images, outcome.cut) == (3, 1)


def test_a_server_that_is_not_there_ends_the_loop() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    outcome = ClosedLoop(address, cycle(requests(1)), clients=3).run(seconds=30)
    assert (outcome.refused, outcome.images) == (3, 0)


def test_what_was_answered_before_the_window_does_not_count() -> None:
    calls: list[int] = []
    with tiny_server(lambda _: OK) as server:
        loop = ClosedLoop(server.address, cycle(requests(1)), clients=1)
        outcome = loop.run(warm_s=0.05, seconds=0.05, around=lambda: calls.append(len(server.bodies)))
    assert calls[0] > 0
    assert outcome.images <= len(server.bodies) - calls[0] + 1
    assert outcome.seconds == pytest.approx(0.05, abs=5)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nserver: x\r\ncontent-length:5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
    ],
)
def test_a_response_is_whole_by_its_length_or_its_chunks_and_not_a_byte_before(answer: bytes) -> None:
    assert parse(answer) == Answer(200, b"hello", closes=False)
    for end in range(len(answer)):
        with pytest.raises(NotWhole):
            parse(answer[:end])


def test_a_request_without_a_response_when_the_time_is_up_is_counted_as_such() -> None:
    with tiny_server(lambda _: b"HTTP/1.1 200 OK\r\n") as server:
        outcome = ClosedLoop(server.address, cycle(requests(1)), clients=2).run(seconds=0.2)
    assert (outcome.unanswered, outcome.images, outcome.cut) == (2, 0, 0)
