"""The project's folders, and the local stack's ports, region and keys: the console's settings, read from the environment here."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from podium.errors import ConsoleError
from podium.processes import who_listens
from training.files import write_atomically

ROOT = Path(__file__).resolve().parents[1]
HOME = Path(os.environ.get("PODIUM_HOME") or ROOT / ".podium").resolve()
PYTHON = Path(sys.prefix) / "bin"  # has the functions' own Python and pip, which `sam build` looks for
TOOLS = ROOT / ".venv-tools" / "bin"
MODELS = HOME / "models"
LOGS = HOME / "logs"
CA_BUNDLE = HOME / "tls" / "ca.pem"  # of the embedded AWS
LOCAL_FILES = (HOME / "local.json", HOME / "local.copy.json")

REGION = "us-east-1"
ACCOUNT = "000000000000"

# Of template.yaml: the model, and where it answers.
SERVER_PARAMETERS = frozenset(
    {
        "ModelServerUrl", "ModelName", "ModelVersion", "ModelArchive", "ModelArchiveVersion", "ModelArchiveSha256",
    }
)  # fmt: skip

DEFAULT_PORTS = {"emulator": 4566, "inference": 8080, "management": 8081, "metrics": 8082}


PORTS = range(1, 65536)
Port = Annotated[int, Field(ge=PORTS.start, lt=PORTS.stop)]


class LocalStack(BaseModel):
    """The ports, archive and parameters that `podium up` chose. They are kept: queue URLs carry the emulator's port."""

    model_config = ConfigDict(frozen=True)

    emulator_port: Port
    inference_port: Port
    management_port: Port
    metrics_port: Port
    secret: str = Field(default="", repr=False)  # of the embedded AWS' root key; `podium up` makes it
    archive: Path | None = None
    model_in_function: bool = False  # else TorchServe serves it
    parameters: dict[str, str] = {}  # of template.yaml, chosen with `podium deploy` to stay

    @property
    def endpoint_url(self) -> str:
        """The embedded AWS."""
        return f"https://127.0.0.1:{self.emulator_port}"

    @property
    def model_server_url(self) -> str:
        """TorchServe's inference address."""
        return f"http://127.0.0.1:{self.inference_port}"

    @property
    def client_environment(self) -> dict[str, str]:
        """The variables with which boto3, the AWS CLI and the SAM CLI speak to the embedded AWS.

        Raises ConsoleError when the stack has no key: an older version made it.
        """
        if not self.secret:
            raise ConsoleError("the local stack has no key yet. `podium up` makes it.")
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_CA_BUNDLE": str(CA_BUNDLE),
            "AWS_ACCESS_KEY_ID": ACCOUNT,  # the emulator takes a key of twelve digits for the account's root
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
        }

    def with_parameters(self, chosen: Mapping[str, str]) -> LocalStack:
        """The same stack, which keeps these parameters of the template; the model and its server are chosen anew each time."""
        kept = {name: value for name, value in chosen.items() if name not in SERVER_PARAMETERS}
        return self.model_copy(update={"parameters": {**self.parameters, **kept}})

    def save(self) -> None:
        """Write to the project's home, twice: the copy serves if the first is damaged."""
        HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in LOCAL_FILES:
            write_atomically(self.model_dump_json(indent=2) + "\n", path, private=True)


def local_stack() -> LocalStack | None:
    """The local stack that `podium up` made; None before the first one.

    Raises ConsoleError when its file and the copy are damaged.
    """
    written = [path for path in LOCAL_FILES if path.exists()]
    for path in written:
        try:
            return LocalStack.model_validate_json(path.read_bytes())
        except ValidationError:
            continue
    if written:
        raise ConsoleError(
            f"{' and '.join(map(str, written))} are damaged: they held the local stack's ports and key. "
            "Start afresh with `podium down --delete-data`, or put back a copy of yours."
        )
    return None


def choose_ports(*names: str) -> dict[str, int]:
    """A port for each of these servers, or for all: PODIUM_<NAME>_PORT if set, else the usual one, else any free one.

    Raises ConsoleError when a port that is set is taken.
    """
    return {name: _choose_port(name, usual) for name, usual in DEFAULT_PORTS.items() if not names or name in names}


def _choose_port(name: str, usual: int) -> int:
    variable = f"PODIUM_{name.upper()}_PORT"
    chosen = os.environ.get(variable)
    if chosen is None:
        return usual if port_is_free(usual) else _any_free_port()
    if not re.fullmatch("[0-9]{4,5}", chosen) or not 1024 <= int(chosen) < PORTS.stop:
        raise ConsoleError(f"{variable}={chosen!r} is no port. Set it to a number from 1024 to 65535, or unset it.")
    if not port_is_free(int(chosen)):
        raise ConsoleError(
            f"port {chosen} ({variable}) is taken by {who_listens(int(chosen))}. Stop it, or choose another."
        )
    return int(chosen)


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
