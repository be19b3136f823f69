"""Where things lie, and the ports of the local stack: the one place of the console that reads the environment."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from podium.errors import ConsoleError
from training.files import write_atomically

ROOT = Path(__file__).resolve().parents[1]
HOME = Path(os.environ.get("PODIUM_HOME") or ROOT / ".podium").resolve()
TOOLS = ROOT / ".venv-tools" / "bin"
MODELS = HOME / "models"
LOGS = HOME / "logs"

DEFAULT_PORTS = {"emulator": 4566, "inference": 8080, "management": 8081, "metrics": 8082}


class LocalStack(BaseModel):
    """What `podium up` chose, kept between runs: queue URLs carry the emulator's port, so it must not move."""

    model_config = ConfigDict(frozen=True)

    emulator_port: int
    inference_port: int
    management_port: int
    metrics_port: int
    archive: Path | None = None
    parameters: dict[str, str] = {}  # of template.yaml, chosen with `podium deploy` to stay

    @property
    def endpoint_url(self) -> str:
        """The embedded AWS."""
        return f"https://127.0.0.1:{self.emulator_port}"

    @property
    def model_server_url(self) -> str:
        """TorchServe's inference address."""
        return f"http://127.0.0.1:{self.inference_port}"

    def with_parameters(self, chosen: Mapping[str, str]) -> LocalStack:
        """The same stack with these parameters of the template kept; who serves which model is not for keeping."""
        passing = {"ModelServerUrl", "ModelName", "ModelVersion"}
        kept = {name: value for name, value in chosen.items() if name not in passing}
        return self.model_copy(update={"parameters": {**self.parameters, **kept}})

    def save(self) -> None:
        """Write to the project's home, whole or not at all."""
        HOME.mkdir(parents=True, exist_ok=True)
        write_atomically(self.model_dump_json(indent=2) + "\n", HOME / "local.json")


def local_stack() -> LocalStack | None:
    """The local stack that `podium up` made; None before the first one."""
    path = HOME / "local.json"
    return LocalStack.model_validate_json(path.read_text()) if path.exists() else None


def choose_ports() -> dict[str, int]:
    """A port for each server: PODIUM_<NAME>_PORT when set, else the usual one, else any free one.

    Raises ConsoleError when a port that was asked for is taken.
    """
    return {name: _choose_port(name, usual) for name, usual in DEFAULT_PORTS.items()}


def _choose_port(name: str, usual: int) -> int:
    variable = f"PODIUM_{name.upper()}_PORT"
    wanted = os.environ.get(variable)
    if wanted is None:
        return usual if port_is_free(usual) else _any_free_port()
    if not wanted.isdigit() or not 1024 <= int(wanted) <= 65535:
        raise ConsoleError(f"{variable}={wanted!r} is no port. Set it to a number from 1024 to 65535, or unset it.")
    if not port_is_free(int(wanted)):
        raise ConsoleError(f"port {wanted} ({variable}) is taken. Stop what listens there, or choose another.")
    return int(wanted)


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _any_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
