"""The local stack as a whole: the embedded AWS, the deployed template and TorchServe, up and down together."""

from __future__ import annotations

import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from podium.archives import ArchivedModel, newest_archive, read_archive
from podium.connection import Connection
from podium.local import deployment, emulator
from podium.local import model_server as torchserve
from podium.project import HOME, LocalStack, choose_ports, local_stack, port_is_free

SERVER_HOME = HOME / "torchserve"
READY_TIMEOUT_S = 180.0
OnNote = Callable[[str], None]


def start_emulator(note: OnNote) -> LocalStack:
    """The embedded AWS, running; its ports are chosen the first time and kept."""
    local = local_stack()
    if local is None:
        local = LocalStack.model_validate({f"{name}_port": port for name, port in choose_ports().items()})
        local.save()
    if not emulator.is_running(local):
        emulator.start(local, on_wait=lambda waited: note(f"the embedded AWS starts ({waited:.0f} s)"))
    return local


def deploy(
    local: LocalStack, model: ArchivedModel | None, note: OnNote, chosen: Mapping[str, str] | None = None
) -> None:
    """Deploy template.yaml to the embedded AWS, expecting this model to answer; `chosen` parameters go before all."""
    parameters = {"ModelServerUrl": local.model_server_url}
    if model is not None:
        parameters |= {"ModelName": model.name, "ModelVersion": model.version}
    deployment.deploy_locally(local, {**parameters, **local.parameters, **(chosen or {})}, note)


def served_model(local: LocalStack) -> ArchivedModel | None:
    """What the archive says that TorchServe was last started with."""
    return read_archive(local.archive) if local.archive and local.archive.exists() else None


def serve(local: LocalStack, archive: Path, note: OnNote) -> LocalStack:
    """TorchServe with this archive, every worker ready; a server with another archive is replaced.

    Raises ConsoleError with the server's own reason when the model does not load.
    """
    archive = archive.resolve()
    model = read_archive(archive)
    serving = _serving()
    if serving == _identity(archive) and torchserve.is_running(SERVER_HOME):
        note(f"TorchServe already serves {model.ref}")
        return local
    torchserve.stop(SERVER_HOME)
    ports = torchserve.Ports(local.inference_port, local.management_port, local.metrics_port)
    if not all(port_is_free(port) for port in (ports.inference, ports.management, ports.metrics)):
        local = _move_server(local)
        ports = torchserve.Ports(local.inference_port, local.management_port, local.metrics_port)
        note(f"the usual ports are taken: TorchServe answers on {local.model_server_url}")
    address = torchserve.start(home=SERVER_HOME, archive=archive, ports=ports)
    torchserve.wait_ready(
        address,
        model.name,
        timeout_s=READY_TIMEOUT_S,
        on_wait=lambda: note(f"TorchServe loads {model.ref}"),
    )
    (SERVER_HOME / "serving").write_text(_identity(archive))
    local = local.model_copy(update={"archive": archive})
    local.save()
    return local


def bring_up(archive: Path | None, note: OnNote) -> tuple[LocalStack, ArchivedModel | None]:
    """Everything: emulator, stack, and TorchServe when there is an archive (the given, the last, or the newest)."""
    if archive is not None:
        read_archive(archive)  # before anything is started for it
    local = start_emulator(note)
    chosen = archive or (local.archive if local.archive and local.archive.exists() else newest_archive())
    model = read_archive(chosen) if chosen else None
    if chosen:
        local = serve(local, chosen, note)
    deploy(local, model, note)
    if model is not None:
        look_at_gate()
    return local, model


def look_at_gate() -> None:
    """Have the gate look now, not at its next minute: images that waited for the server that was started go on at once."""
    connection = Connection(None)
    connection.lambda_client.invoke(FunctionName=f"{connection.stack}-gate", InvocationType="Event", Payload=b"{}")


def bring_down(*, delete_data: bool) -> list[str]:
    """Stop what runs; with `delete_data` forget buckets, tables and queues too. Returns what was stopped."""
    stopped = ["TorchServe"] if torchserve.is_running(SERVER_HOME) else []
    torchserve.stop(SERVER_HOME)
    if emulator.stop():
        stopped.append("the embedded AWS")
    if delete_data:
        for folder in (HOME / "emulator", HOME / "tls", SERVER_HOME, HOME / "build"):
            shutil.rmtree(folder, ignore_errors=True)
        (HOME / "local.json").unlink(missing_ok=True)
    return stopped


def model_server_answers(url: str) -> bool:
    """Whether anything answers HTTP at this address; it may still be loading its model."""
    try:
        with urllib.request.urlopen(f"{url}/ping", timeout=1):  # noqa: S310 - an address of the stack's own
            return True
    except urllib.error.HTTPError:
        return True
    except (urllib.error.URLError, OSError):
        return False


def _move_server(local: LocalStack) -> LocalStack:
    ports = choose_ports()
    moved = local.model_copy(update={f"{name}_port": ports[name] for name in ("inference", "management", "metrics")})
    moved.save()
    return moved


def _serving() -> str | None:
    path = SERVER_HOME / "serving"
    return path.read_text() if path.exists() else None


def _identity(archive: Path) -> str:
    """Changes when the archive is packaged again."""
    stat = archive.stat()
    return f"{archive} {stat.st_size} {stat.st_mtime_ns}"
