"""A server's process: started in a folder of its own, ready when it answers a photo, stopped with all its children.

Launch -> start -> Server -> stop
"""

from __future__ import annotations

import http.client
import subprocess
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.serving.machine import cpu_s, family
from benchmarks.serving.servers.launch import Launch, environment

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0  # for the server to finish its work
LINGER_S = 3.0  # for its processes to end after it
SETTLE_TIMEOUT_S = 20.0
POLL_S = 0.05
IDLE_CORES = 0.1
LAST_LINES = 5


class DidNotStart(Exception):
    """A server that never answered a photo, with the end of its log."""


@dataclass
class Server:
    """A server that answers."""

    launch: Launch
    process: psutil.Process
    child: subprocess.Popen[bytes]
    ready_s: float = 0.0  # from the start of its process until all of its workers could answer
    known: list[psutil.Process] = field(default_factory=list)  # its processes at the SIGTERM; later they may be orphans

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self.launch.port

    def ask_to_stop(self) -> None:
        """Send SIGTERM, and do not wait."""
        self.known = family(self.process)
        names = self.launch.stopped_by
        receivers = [process for process in self.known if names and process.name() == names] or [self.process]
        for process in receivers:
            with suppress(psutil.NoSuchProcess):
                process.terminate()

    def stop(self) -> None:
        """Stop the server and its processes; those that do not stop are killed."""
        patience_s = LINGER_S if self.known else STOP_TIMEOUT_S  # after an earlier SIGTERM it had its time
        if not self.known:
            self.ask_to_stop()
        with suppress(subprocess.TimeoutExpired):
            self.child.wait(patience_s)
        _, alive = psutil.wait_procs(self.known, timeout=LINGER_S)
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.child.wait()
        psutil.wait_procs(alive, timeout=LINGER_S)


def start(launch: Launch, photo: bytes) -> Server:
    """Start it, and return when all of its workers answer and are idle; raises DidNotStart."""
    (launch.home / "tmp").mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    with (launch.home / "console.log").open("ab") as log:
        child = subprocess.Popen(
            launch.command, cwd=launch.home, env=environment(launch), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    server = Server(launch, psutil.Process(child.pid), child)
    with ExitStack() as unless_ready:
        unless_ready.callback(server.stop)
        _wait(server, photo, began + START_TIMEOUT_S)
        unless_ready.pop_all()
    server.ready_s = time.perf_counter() - began
    _settle(server.process)
    return server


def _wait(server: Server, photo: bytes, deadline: float) -> None:
    launch = server.launch
    request = launch.single(photo)
    while not (launch.ready() and answers(server.address, request)):
        if server.child.poll() is not None or time.perf_counter() > deadline:
            raise DidNotStart(f"{launch.name} ({launch.setting}, {launch.engine}): {_last_words(launch.home)}")
        time.sleep(POLL_S)


def _last_words(home: Path) -> str:
    """The last lines of its output that are not about a request."""
    lines = (home / "console.log").read_text(encoding="utf-8", errors="replace").splitlines()
    return " / ".join([line for line in lines if line.strip() and "ACCESS_LOG" not in line][-LAST_LINES:])


def answers(address: tuple[str, int], request: bytes) -> bool:
    """Whether this request is answered 200 now."""
    head, _, body = request.partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    connection = http.client.HTTPConnection(*address, timeout=60)
    try:
        connection.request("POST", line.split()[1], body, dict(field.split(": ", 1) for field in fields))
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _settle(process: psutil.Process) -> None:
    """Wait until the server is idle: some answer before their second worker has loaded."""
    deadline = time.perf_counter() + SETTLE_TIMEOUT_S
    while time.perf_counter() < deadline:
        before = cpu_s(process)
        time.sleep(0.5)
        if cpu_s(process) - before < IDLE_CORES * 0.5:
            return
