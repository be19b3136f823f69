"""The model server of the local stack: the proxy with its TorchServe.

start -> wait_ready -> (requests) -> stop
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import urllib3

from podium.archives import read_archive
from podium.errors import ConsoleError
from podium.local.processes import find_process, process_of, runs
from podium.project import ROOT, port_is_free
from training.files import write_atomically

JAVA_CLASS = "org.pytorch.serve.ModelServer"
SOCKET_PATH_LIMIT = 107  # bytes in a Unix socket's path on Linux; TorchServe puts .ts.sock.9000 under its home's tmp
DRAIN_S = 60.0  # the proxy first answers the requests that it has admitted
STOP_TIMEOUT_S = DRAIN_S + 25.0
KILLED_TIMEOUT_S = 10.0
POLL_S = 0.25


@dataclass(frozen=True)
class Ports:
    """The ports that others know, all on loopback. TorchServe's own inference, metrics and gRPC take any free ones."""

    inference: int
    management: int
    metrics: int


@dataclass(frozen=True)
class ServerAddress:
    """The addresses of a started model server, and the folder of its logs. Management is TorchServe's own."""

    inference_url: str
    management_url: str
    metrics_url: str
    home: Path


def free_ports() -> Ports:
    """Three ports that nobody listens on now."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = Ports(*(probe.getsockname()[1] for probe in probes))
    for probe in probes:
        probe.close()
    return ports


def start(*, home: Path, archive: Path, ports: Ports) -> ServerAddress:
    """Start the model server with one archive, detached: it outlives this process. Ready when `wait_ready` returns.

    It writes only under `home`. Raises ConsoleError if a server already runs in this home, a port is taken, or the
    archive is not one of ours.
    """
    home = home.resolve()
    if is_running(home):
        raise ConsoleError(f"a model server already runs in {home}. Stop it first.")
    _check(home, ports)
    name = read_archive(archive).name
    shutil.rmtree(home / "logs", ignore_errors=True)  # the reasons of earlier deaths
    (home / "logs").mkdir(parents=True)
    command = [sys.executable, "-m", "proxy", "--home", str(home), "--drain-s", f"{DRAIN_S:g}"]
    command += ["--model-store", str(archive.resolve().parent), "--models", f"{name}={archive.name}"]
    command += ["--listen", f"127.0.0.1:{ports.inference}", "--metrics", f"127.0.0.1:{ports.metrics}"]
    command += ["--management-port", str(ports.management)]
    with (home / "logs" / "proxy.log").open("wb") as log:
        started = subprocess.Popen(
            command, cwd=home, env=_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, umask=0o077,
        )  # fmt: skip
    started.returncode = 0  # it goes on alone; without this, Popen would warn of a child that nobody waited for
    write_atomically(str(started.pid), _pid_file(home), private=True)
    return ServerAddress(
        inference_url=f"http://127.0.0.1:{ports.inference}",
        management_url=f"http://127.0.0.1:{ports.management}",
        metrics_url=f"http://127.0.0.1:{ports.metrics}",
        home=home,
    )


def wait_ready(
    address: ServerAddress, model_name: str, timeout_s: float, on_wait: Callable[[], None] = lambda: None
) -> None:
    """Return when the model has answered a picture and every worker is ready; `on_wait` is called while it waits.

    Raises ConsoleError with the reason when TorchServe or a worker dies, or when the time is up.
    """
    deadline = time.monotonic() + timeout_s
    while (unready := _unready(address)) is not None:
        if unready.get("failed"):
            raise ConsoleError(f"the model server cannot load {model_name}: {unready.get('message')}")
        if not is_running(address.home):
            raise ConsoleError(f"the model server ended: {_tail(address.home / 'logs' / 'proxy.log')}")
        if time.monotonic() > deadline:
            raise ConsoleError(
                f"{model_name} was not ready after {timeout_s:g} s: {unready.get('message', 'nothing answers')} "
                f"Its logs: {address.home / 'logs'}"
            )
        on_wait()
        time.sleep(POLL_S)


def is_running(home: Path) -> bool:
    """Whether the model server of this home is alive."""
    return _proxy(home) is not None


def stop(home: Path) -> None:
    """Stop the model server of this home and wait until all its processes are gone; those that do not end are killed.

    Admitted requests are answered first, for up to a minute. A TorchServe whose proxy was killed is stopped, too.
    """
    proxy = _proxy(home)
    family = [proxy, *proxy.children(recursive=True)] if proxy is not None else []
    if proxy is not None:
        proxy.terminate()
        _still_alive(family, STOP_TIMEOUT_S)
    orphan = _torchserve(home)
    family += [orphan, *orphan.children(recursive=True)] if orphan is not None else []
    for stubborn in _still_alive(family, 0):
        stubborn.kill()
    _still_alive(family, KILLED_TIMEOUT_S)
    _pid_file(home).unlink(missing_ok=True)


def _unready(address: ServerAddress) -> Mapping[str, object] | None:
    """The body of /ping while the server is not healthy; None when it is."""
    try:
        response = urllib3.request("GET", f"{address.inference_url}/ping", timeout=5, retries=False)
        body = response.json()
    except (urllib3.exceptions.HTTPError, ValueError):
        return {}
    if response.status == 200:
        return None
    return body if isinstance(body, dict) else {}


def _environment() -> dict[str, str]:
    """This process's environment, in which `proxy` can be imported even if the project is not installed."""
    path = [str(ROOT / "model_server"), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(path)}


def _check(home: Path, ports: Ports) -> None:
    for name, port in asdict(ports).items():
        if not port_is_free(port):
            raise ConsoleError(
                f"port {port} for the model server's {name} address is taken. Stop what listens there, "
                f"or set PODIUM_{name.upper()}_PORT to another port."
            )
    socket_path = os.fsencode(home / "tmp" / ".ts.sock.9000")
    if len(socket_path) > SOCKET_PATH_LIMIT:
        raise ConsoleError(
            f"{home} is too deep for TorchServe: its worker's socket would have a path of {len(socket_path)} bytes, "
            f"the system allows {SOCKET_PATH_LIMIT}. Set PODIUM_HOME to a shorter folder."
        )


def _pid_file(home: Path) -> Path:
    return home / "proxy.pid"


def _proxy(home: Path) -> psutil.Process | None:
    """The proxy of this home; None if it is gone, or its number belongs to another program by now."""
    folder = str(home.resolve())
    return process_of(_pid_file(home), "proxy", folder) or find_process("-m", "proxy", "--home", folder)


def _torchserve(home: Path) -> psutil.Process | None:
    """The Java process of this home; TorchServe puts its pid file in TMPDIR."""
    return process_of(home / "tmp" / ".model_server.pid", JAVA_CLASS, str(home.resolve() / "config.properties"))


def _still_alive(processes: list[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    """Those that have not ended within the time. A zombie has ended, and its parent has not waited for it yet."""
    deadline = time.monotonic() + timeout_s
    while (alive := [process for process in processes if runs(process)]) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return alive


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return " / ".join(lines[-3:]) or f"nothing is in {log}"
