"""A server under its loads, window by window; a window that others disturbed is measured again."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle

from benchmarks.serving import machine
from benchmarks.serving.load import ClosedLoop, Outcome
from benchmarks.serving.photos import labels
from benchmarks.serving.rows import Row, row_of
from benchmarks.serving.servers.process import Server
from benchmarks.serving.wire import Request

DISTURBED_CORES = 0.15


class WrongEngine(Exception):
    """The server answers with another engine than it was started with."""


@dataclass
class Measuring:
    """How every row of one run is measured."""

    photos: Sequence[bytes]
    expected: dict[str, list[str]]  # the best class of each photo, by engine, without a server
    seconds: float
    warm_s: float
    tries: int
    rows: list[Row] = field(default_factory=list)

    def singles(self, server: Server, concurrency: int, *, note: str = "", seconds: float | None = None) -> Row:
        """Measure requests of one image."""
        requests = [Request(server.launch.single(photo), 1, number) for number, photo in enumerate(self.photos)]
        return self._row(server, requests, concurrency, 1, note, seconds or self.seconds)

    def many(self, server: Server, concurrency: int, images: int) -> Row:
        """Measure requests of many images."""
        assert server.launch.many is not None
        requests = [
            Request(server.launch.many(group), len(group), first)
            for first in range(0, len(self.photos), images)
            if (group := self.photos[first : first + images])
        ]
        return self._row(server, requests, concurrency, images, "", self.seconds)

    def _row(
        self, server: Server, requests: Sequence[Request], concurrency: int, images: int, note: str, seconds: float
    ) -> Row:
        best: Row | None = None
        for tried in range(1, self.tries + 1):
            outcome, used = self._window(server, requests, concurrency, seconds)
            row = row_of(
                outcome, used, server=server.launch.name, engine=server.launch.engine,
                setting=server.launch.setting + note, concurrency=concurrency, images_per_request=images,
                same_label=self._same_label(server, outcome), memory_mb=machine.memory_mb(server.process),
                workers=server.launch.workers, tries=tried,
            )  # fmt: skip
            best = row if best is None or row.others_cores < best.others_cores else best
            if note or row.others_cores <= DISTURBED_CORES:  # with a note, the neighbour is the point
                break
        assert best is not None
        say(f"{best.server} {best.engine} c{concurrency} x {images}{note}: {best.images_per_s} images/s")
        self.rows.append(best)
        return best

    def _window(
        self, server: Server, requests: Sequence[Request], concurrency: int, seconds: float
    ) -> tuple[Outcome, machine.Usage]:
        loop = ClosedLoop(server.address, cycle(requests), clients=concurrency)
        samples = []
        outcome = loop.run(
            warm_s=self.warm_s, seconds=seconds, around=lambda: samples.append(machine.sample(server.process))
        )
        return outcome, machine.usage(*samples)

    def _same_label(self, server: Server, outcome: Outcome) -> float | None:
        expected = self.expected.get(server.launch.engine)
        if not expected or not outcome.bodies:
            return None
        said = []
        for first, body in outcome.bodies.items():
            engine = engine_of(body)
            if engine not in {None, server.launch.engine}:
                raise WrongEngine(
                    f"{server.launch.name} was started with {server.launch.engine} and answers with {engine}"
                )
            said += [label == expected[first + n] for n, label in enumerate(labels(body))]
        return round(sum(said) / len(said), 3)


def engine_of(body: bytes) -> str | None:
    """The engine that an answer names; only Podium's does."""
    document = json.loads(body)
    model = document.get("model") if isinstance(document, dict) else None
    return model.get("engine") if isinstance(model, dict) else None


def say(what: str) -> None:
    """Print a line on stderr, with the time."""
    print(time.strftime("%H:%M:%S"), what, file=sys.stderr, flush=True)  # noqa: T201
