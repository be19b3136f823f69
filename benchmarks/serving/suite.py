"""Every server in its turn: started, measured under load and at its edges, stopped.

limits, decoding -> stock TorchServe, its best setting -> each engine: Podium, the peers, the limit again
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.serving import edges, limit
from benchmarks.serving.goals import COMPILED, STOCK
from benchmarks.serving.measuring import Measuring, WrongEngine, say
from benchmarks.serving.run import BUSY, Run
from benchmarks.serving.servers import peers, podium, stock
from benchmarks.serving.servers.launch import ONE_THREAD, ROOT, Job, Launch, module_path
from benchmarks.serving.servers.process import DidNotStart, Server, start

PEERS: dict[str, Callable[[Job], Launch]] = {
    "fastapi": peers.fastapi,
    "bentoml": peers.bentoml,
    "litserve": peers.litserve,
    "ray": peers.ray,
}
OURS: dict[str, Callable[[Job], Launch]] = {"podium": podium.proxied, "podium-handler": podium.handler_alone}
SERVERS = (*OURS, STOCK, COMPILED, *PEERS)
ENGINES = ("openvino-int8", "openvino-bf16", "openvino-fp32", "torch-fp32")
OTHER_ENGINES = ("aotinductor-bf16", "aotinductor-fp32", "torch-bf16")  # measured only if --engines names them
PEER_ENGINES = 2  # the first that loads at every concurrency, the second at the highest
MANY = (4, 16)  # clients, images a request
STARTS = 3  # for the time to READY
PICK_SHARE = 0.5  # of the seconds, to find the stock handler's best setting


@dataclass
class Suite:
    """One run."""

    run: Run
    measuring: Measuring
    archive: Path
    folder: Path
    photos: Path
    scratch: Path
    peers: Path
    cores: int
    concurrency: Sequence[int]
    started: int = field(default=0)

    def measure(self, servers: Sequence[str], engines: Sequence[str]) -> None:
        """Measure these servers and engines; one that cannot be measured is skipped, with the reason."""
        loaded = [engine for engine in engines if self._limit(engine)]
        if not loaded:
            return
        self._decoding()
        if STOCK in servers:
            self._stock()
        if COMPILED in servers:
            self._one(
                partial(stock.launch, setting=stock.compiled_setting(), name=COMPILED),
                stock.ENGINE,
                self.concurrency[-1:],
            )
        for (
            engine
        ) in loaded:  # one engine's servers after each other: a shared machine is not equally fast all the time
            self._with(engine, servers, main=engine == loaded[0], beside_peers=engine in loaded[:PEER_ENGINES])
            self._limit(engine)

    def _with(self, engine: str, servers: Sequence[str], *, main: bool, beside_peers: bool) -> None:
        for name in servers:
            if name == "podium" or (name in OURS and main):
                self._ours(name, engine, main=main)
            elif name in PEERS and beside_peers:
                self._one(PEERS[name], engine, self.concurrency if main else self.concurrency[-1:], at_edges=main)

    def _limit(self, engine: str) -> bool:
        """Measure the limit before the engine's servers and after them; the faster counts."""
        try:
            found = limit.measure(
                self.folder, self.photos, engine, processes=self.cores, seconds=self.measuring.seconds
            )
        except limit.CannotLoad as reason:
            self._skip(f"{engine}: {reason}")
            return False
        say(f"limit {engine}: {found.images_per_s} images/s")
        before = self.run.limit(engine)
        if before is None:
            self.run.limits.append(found)
        elif found.images_per_s > before.images_per_s:
            self.run.limits[self.run.limits.index(before)] = found
        self.measuring.expected[engine] = found.labels
        return True

    def _decoding(self) -> None:
        command = [sys.executable, "-m", "benchmarks.serving.decoding", str(self.folder), str(self.photos)]
        environment = os.environ | ONE_THREAD | {"PYTHONPATH": module_path()}
        answer = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE)
        self.run.decoding = json.loads(answer.stdout)

    def _stock(self) -> None:
        """Measure every setting in a short window, and the best of them under every load."""
        rates = {}
        settings = stock.settings(self.cores)
        for setting in settings:
            with self._running(partial(stock.launch, setting=setting), stock.ENGINE) as server:
                if server:
                    seconds = self.measuring.seconds * PICK_SHARE
                    row = self.measuring.singles(server, self.concurrency[-1], seconds=seconds)
                    rates[setting.text] = row.images_per_s
                    if setting.batch > 1:  # alone in its batch, no image has a neighbour
                        lost = edges.failed_by_neighbours(server, self.measuring.photos)
                        self.run.neighbours[f"{STOCK}, {setting.text}"] = lost
        if rates:
            best = next(setting for setting in settings if setting.text == max(rates, key=lambda text: rates[text]))
            self._one(partial(stock.launch, setting=best), stock.ENGINE, self.concurrency, at_edges=True, busy=True)

    def _ours(self, name: str, engine: str, *, main: bool) -> None:
        concurrency = self.concurrency if main else self.concurrency[-1:]
        answered = self._one(OURS[name], engine, concurrency, at_edges=main, busy=main, many=name == "podium")
        for _ in range(STARTS - 1 if main and answered else 0):
            with self._running(OURS[name], engine):
                pass

    def _one(
        self, plan: Callable[[Job], Launch], engine: str, concurrency: Sequence[int], *,
        at_edges: bool = False, busy: bool = False, many: bool = False,
    ) -> bool:  # fmt: skip
        """Start one server and measure its rows, then its edges, the planned stop last; whether it started."""
        with self._running(plan, engine) as server:
            if server is None:
                return False
            for clients in concurrency:
                self.measuring.singles(server, clients)
            if many:
                self.measuring.many(server, *MANY)
            if busy:
                with edges.busy_neighbour():
                    self.measuring.singles(server, concurrency[-1], note=BUSY)
            if at_edges:
                name, photos = server.launch.name, self.measuring.photos
                self.run.neighbours[name] = edges.failed_by_neighbours(server, photos)
                self.run.stops[name] = edges.planned_stop(server, photos)
        return True

    @contextmanager
    def _running(self, plan: Callable[[Job], Launch], engine: str) -> Iterator[Server | None]:
        self.started += 1
        home = self.scratch / str(self.started)
        home.mkdir()
        server: Server | None = None
        try:
            photo = min(path for path in self.photos.rglob("*") if path.is_file())
            launch = plan(Job(self.archive, self.folder, photo, engine, self.cores, home, self.peers))
            server = start(launch, self.measuring.photos[0])
            key = f"{launch.name} {launch.engine}, {launch.setting}"
            self.run.ready_s.setdefault(key, []).append(round(server.ready_s, 2))
            say(f"{key}: ready in {server.ready_s:.1f} s")
            yield server
        except (DidNotStart, WrongEngine) as reason:
            self._skip(str(reason))
            if server is None:
                yield None
        finally:
            if server:
                server.stop()
            shutil.rmtree(home, ignore_errors=True)

    def _skip(self, reason: str) -> None:
        say(f"skipped: {reason}")
        self.run.skipped.append(reason)
