"""What a throughput row does not show: bad images in a batch, a busy neighbour, a planned stop, a start."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Any

from benchmarks.serving.load import ClosedLoop
from benchmarks.serving.servers.process import Server
from benchmarks.serving.wire import Request

AT_ONCE = 16
BAD = 4
ROUNDS = 3
TIMEOUT_S = 10.0  # sixteen images take a second; a request that is not answered by then counts as lost
STOP_AFTER_S = 2.0
STOP_CLIENTS = 8
STOP_WITHIN_S = 20.0  # eight requests take one; a request that still waits then is lost


def spoiled(photo: bytes, number: int) -> bytes:
    """Bytes that are no image: a photo cut short, or random bytes."""
    return photo[: len(photo) // 3] if number % 2 else b"no image at all" * 100


def failed_by_neighbours(server: Server, photos: Sequence[bytes]) -> dict[str, int]:
    """Three times sixteen concurrent requests, four of them without an image: how many of the good ones were lost."""
    lost = 0
    for _ in range(ROUNDS):
        outcome = ClosedLoop(server.address, _mixed(server, photos), clients=AT_ONCE).run(seconds=TIMEOUT_S)
        lost += AT_ONCE - BAD - sum(photo >= 0 for photo in outcome.bodies)
    found = {"good": ROUNDS * (AT_ONCE - BAD), "lost": lost}
    if server.launch.many is not None:
        found |= {"good_in_one_request": AT_ONCE - BAD, "lost_in_one_request": _lost_in_one_request(server, photos)}
    return found


def _mixed(server: Server, photos: Sequence[bytes]) -> list[Request]:
    """The bad ones between the good ones; a bad one has a negative photo number."""
    requests = []
    for number, photo in zip(range(AT_ONCE), cycle(photos), strict=False):
        bad = _is_bad(number)
        wire = server.launch.single(spoiled(photo, number // BAD) if bad else photo)
        requests.append(Request(wire, photo=-1 - number if bad else number))
    return requests


def _is_bad(number: int) -> bool:
    return number % (AT_ONCE // BAD) == 1


def _lost_in_one_request(server: Server, photos: Sequence[bytes]) -> int:
    assert server.launch.many is not None
    mixed = [
        spoiled(photo, number // BAD) if _is_bad(number) else photo
        for number, photo in zip(range(AT_ONCE), cycle(photos), strict=False)
    ]
    request = Request(server.launch.many(mixed), images=AT_ONCE)
    outcome = ClosedLoop(server.address, [request], clients=1).run(seconds=TIMEOUT_S)
    if not outcome.bodies:
        return AT_ONCE - BAD
    entries: list[dict[str, Any]] = json.loads(outcome.bodies[0])["answers"]
    return sum(entry["status"] != 200 for number, entry in enumerate(entries) if not _is_bad(number))


def planned_stop(server: Server, photos: Sequence[bytes]) -> dict[str, int]:
    """SIGTERM while eight clients send: how many requests the server accepted and did not answer.

    A 503 is an answer, and a refused connection was never a request. A client heeds a Retry-After header; without one it
    sends again at once.
    """
    requests = [Request(server.launch.single(photo), photo=number) for number, photo in enumerate(photos)]
    timer = threading.Timer(STOP_AFTER_S, server.ask_to_stop)
    timer.start()
    try:
        loop = ClosedLoop(server.address, cycle(requests), clients=STOP_CLIENTS, heeds_retry_after=True)
        outcome = loop.run(seconds=STOP_WITHIN_S)
    finally:
        timer.join()
    refused = outcome.statuses[503]
    failed = outcome.statuses.total() - outcome.statuses[200] - refused
    return {"answered": outcome.statuses[200], "said_no": refused, "lost": outcome.cut + outcome.unanswered + failed}


@contextmanager
def busy_neighbour() -> Iterator[None]:
    """A process that wants a whole core, as long as this lasts."""
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        neighbour.kill()
        neighbour.wait()
