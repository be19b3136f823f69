"""The real thing once per test run: `podium demo` in a home of its own, on ports of its own."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.stack.aws import Root

ROOT = Path(__file__).parents[2]
PODIUM = Path(sys.executable).parent / "podium"

Json = Any
PATIENCE_S = "300"  # for what takes seconds on a machine with nothing else to do


class Console:
    """The `podium` command and a shell beside it, as a person has them after `eval "$(podium env)"`."""

    def __init__(self, home: Path) -> None:
        ports = dict(zip(("EMULATOR", "INFERENCE", "MANAGEMENT", "METRICS"), free_ports(4), strict=True))
        self.home = home
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PODIUM_"))},
            "PODIUM_HOME": str(home),
            **{f"PODIUM_{name}_PORT": str(port) for name, port in ports.items()},
        }

    def run(self, *arguments: str, timeout_s: float = 1200) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PODIUM, *arguments],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def podium(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, f"podium {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *arguments: str) -> Json:
        return json.loads(self.podium(*arguments, "--json"))

    def results(self, batch: str) -> list[dict[str, Json]]:
        rows: list[dict[str, Json]] = self.json("results", batch)
        return rows

    def shell(self, command: str) -> str:
        """The stdout of a line of bash after `podium env` was evaluated, as the README has it."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f'eval "$({shlex.quote(str(PODIUM))} env)"\n{command}'],
            env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def until(what: str, holds: Callable[[], Json], within_s: float = float(PATIENCE_S)) -> Json:
    """What `holds` returns, as soon as it is true."""
    deadline = time.monotonic() + within_s
    while not (found := holds()):
        assert time.monotonic() < deadline, f"{what}: not within {within_s} s"
        time.sleep(0.5)
    return found


def free_ports(count: int) -> Sequence[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """Everything running, the demo's batch classified.

    PODIUM_TEST_HOME names the home of a stack that runs already: used as it is and left running, while a test is written.
    """
    if running := os.environ.get("PODIUM_TEST_HOME"):
        yield Console(Path(running))
        return
    console = Console(tmp_path_factory.mktemp("stack") / "home")
    try:
        console.podium("demo")
        yield console
    finally:
        console.run("down", "--delete-data")


@pytest.fixture(scope="session")
def root(stack: Console, facts: dict[str, str]) -> Root:
    return Root(facts, json.loads((stack.home / "local.json").read_text())["secret"])


@pytest.fixture(scope="session")
def facts(stack: Console) -> dict[str, str]:
    found: dict[str, str] = stack.json("status")
    return found


@pytest.fixture(scope="session")
def photos(stack: Console) -> list[Path]:
    """The demo's unseen images."""
    return sorted((stack.home / "demo" / "unseen").rglob("*.jpg"))
