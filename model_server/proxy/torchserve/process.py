"""TorchServe as a child of the proxy: started in the foreground, started again when it dies, stopped whole.

start -> (runs) -> died -> a pause that grows -> start -> ...
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from proxy.torchserve import configuration
from proxy.torchserve.configuration import CONFIG, Ports
from proxy.torchserve.deaths import set_aside, tail

logger = logging.getLogger(__name__)

JAVA_CLASS = "org.pytorch.serve.ModelServer"
STOP_S = 15.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
STEADY_S = 60.0  # who lived that long starts again at once


@dataclass(frozen=True)
class StartOptions:
    """What one TorchServe is started with: what it serves, and where it keeps its files."""

    home: Path
    model_store: Path
    models: Sequence[str]  # NAME=FILE.mar
    workers: int  # of each model, unless its archive says
    threads: int  # of one inference in each of them, unless OMP_NUM_THREADS says
    management_port: int | None = None


class TorchServe:
    """One TorchServe, kept alive until `stop`."""

    def __init__(self, options: StartOptions, on_death: Callable[[str], None]) -> None:
        self.ports: Ports | None = None
        self._options = options
        self._on_death = on_death
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    @property
    def inference_url(self) -> str:
        """Where it takes images now; a restart may move it."""
        return f"http://127.0.0.1:{self.ports.inference if self.ports else 0}"

    @property
    def management_url(self) -> str:
        """Where it lists its workers."""
        return f"http://127.0.0.1:{self.ports.management if self.ports else 0}"

    @property
    def metrics_url(self) -> str:
        """Where Prometheus reads its own counters."""
        return f"http://127.0.0.1:{self.ports.metrics if self.ports else 0}"

    async def keep_alive(self) -> None:
        """Start it, and again whenever it has died; returns after `stop`."""
        pause_s = FIRST_PAUSE_S
        while not self._stopping:
            began_s = time.monotonic()
            self._process = await self._start()
            code = await self._process.wait()
            if self._stopping:
                return
            _end_group(self._process.pid, signal.SIGKILL)  # Java's workers would go on without it
            if time.monotonic() - began_s > STEADY_S:
                pause_s = FIRST_PAUSE_S
            words = tail(self._options.home / "logs" / "console.log")
            logger.warning("TorchServe ended with code %s, starts again in %g s: %s", code, pause_s, words)
            self._on_death(f"TorchServe ended: {words}")
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

    async def stop(self) -> None:
        """End it and its workers, and wait until they are gone; what does not end is killed."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        _end_group(process.pid, signal.SIGTERM)
        if not await asyncio.to_thread(_is_gone, process.pid, STOP_S):
            _end_group(process.pid, signal.SIGKILL)
        await process.wait()

    async def _start(self) -> asyncio.subprocess.Process:
        home = self._options.home
        await asyncio.to_thread(_prepare, home)
        self.ports = configuration.choose_ports(self._options.management_port)
        config = home / "config.properties"
        properties = CONFIG.read_text(encoding="utf-8")
        properties = configuration.configuration(properties, self.ports, self._options.workers)
        config.write_text(properties, encoding="utf-8")
        line = configuration.command(config, self._options.model_store, self._options.models)
        environment = configuration.environment(home, os.environ, self._options.threads)
        logger.info(
            "starting TorchServe: port %d, workers of each model %d, threads of each %s",
            self.ports.inference, self._options.workers, environment["OMP_NUM_THREADS"],
        )  # fmt: skip
        with (home / "logs" / "console.log").open("wb") as console:
            return await asyncio.create_subprocess_exec(
                *line, cwd=home, env=environment, stdin=asyncio.subprocess.DEVNULL,
                stdout=console, stderr=console, start_new_session=True,
            )  # fmt: skip


def left_over(home: Path) -> psutil.Process | None:
    """The Java process that an earlier proxy of this home left behind when it was killed; None if there is none."""
    try:
        process = psutil.Process(int((home / "tmp" / ".model_server.pid").read_text()))
        command = process.cmdline()  # empty for a zombie
    except (FileNotFoundError, ValueError, psutil.Error):
        return None
    return process if JAVA_CLASS in command and str(home / "config.properties") in command else None


def _prepare(home: Path) -> None:
    """A home without what the TorchServe before left: its processes, its unpacked archives, its last words."""
    survivor = left_over(home)
    if survivor is not None:
        logger.warning("a TorchServe of an earlier proxy runs in %s: it is ended", home)
        family = [survivor, *survivor.children(recursive=True)]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=STOP_S)
    shutil.rmtree(home / "tmp", ignore_errors=True)
    (home / "tmp").mkdir(parents=True)
    (home / "logs").mkdir(exist_ok=True)
    set_aside(home / "logs")


def _end_group(group: int, how: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, how)


def _is_gone(group: int, within_s: float) -> bool:
    """Whether every process of the group has ended within the time; a zombie has."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not any(_runs_in(process, group) for process in psutil.process_iter()):
            return True
        time.sleep(0.1)
    return False


def _runs_in(process: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.Error):
        return False
