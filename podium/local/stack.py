"""The local stack as a whole: the embedded AWS, the deployed template and TorchServe, up and down together."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from podium.archives import ArchivedModel, newest_archive, read_archive
from podium.connection import Connection
from podium.local import emulator, model_server
from podium.local.deployment import deploy_locally
from podium.local.lost import LOST, check_objects, check_resources, check_state, put_back_objects
from podium.local.privacy import keep_private, write_privately
from podium.local.reindex import index_old_rows
from podium.local.reopen import open_batches_again
from podium.local.state import port_of_queues
from podium.project import HOME, LOCAL_FILES, LocalStack, choose_ports, local_stack, port_is_free
from podium.published import NO_MODEL, publish, read_for_function
from training.files import write_atomically

SERVER_HOME = HOME / "torchserve"
SERVER_PORTS = ("inference", "management", "metrics")
READY_TIMEOUT_S = 180.0
SECRET_BYTES = 30
OnNote = Callable[[str], None]


def start_emulator(note: OnNote) -> LocalStack:
    """Start the embedded AWS if it does not run; its ports are chosen the first time and kept."""
    local = local_stack()
    keep_private(HOME)
    if local is None:
        local = _found_again()
    if not local.secret:
        local = local.model_copy(update={"secret": secrets.token_urlsafe(SECRET_BYTES)})
    local.save()  # also when the file is there: it may be damaged, and its copy whole
    if not emulator.is_running(local):
        if not emulator.has_process():
            check_state()
            check_objects()
        emulator.start(local, on_wait=lambda waited: note(f"the embedded AWS starts ({waited:.0f} s)"))
    return local


def _found_again() -> LocalStack:
    """A stack with new ports; with the old one of the embedded AWS if its queues, whose URLs carry it, are there still.

    Servers of this home whose ports nobody knows any more are stopped first.
    """
    model_server.stop(SERVER_HOME)
    emulator.stop()
    kept = port_of_queues(emulator.STATE) or port_of_queues(emulator.COPIES)
    chosen = choose_ports() if kept is None else {"emulator": kept, **choose_ports(*SERVER_PORTS)}
    return LocalStack.model_validate({f"{name}_port": port for name, port in chosen.items()})


def deploy(
    local: LocalStack, model: ArchivedModel | None, note: OnNote, chosen: Mapping[str, str] | None = None
) -> None:
    """Deploy template.yaml to the embedded AWS, for this model; `chosen` parameters override all others."""
    check_resources(Connection(None))
    parameters = _in_function(local, note) if local.model_in_function else {"ModelServerUrl": local.model_server_url}
    if model is not None:
        parameters |= {"ModelName": model.name, "ModelVersion": model.version}
    if deploy_locally(local, {**parameters, **local.parameters, **(chosen or {})}, note):
        keep_private(HOME)  # `sam build` gives its copies the modes of the sources
        index_old_rows(Connection(None), lambda rows: note(f"rows of an older version: {rows} are in the indexes"))
        emulator.save()
    put_back_objects(Connection(None), note)


def _in_function(local: LocalStack, note: OnNote) -> dict[str, str]:
    """The parameters of a stack whose classify function holds the model: its archive lies in the stack's own bucket."""
    if local.archive is None:
        return dict(NO_MODEL)
    if Connection(None).source_tag is None:
        deploy_locally(local, {**NO_MODEL, **local.parameters}, note)
    note(f"uploading {local.archive.name}")
    return publish(Connection(None), local.archive)


def hold_in_function(local: LocalStack, archive: Path | None) -> LocalStack:
    """The same stack, whose classify function holds this model from its next deployment on; TorchServe stops."""
    if archive is not None:
        read_for_function(archive)
    model_server.stop(SERVER_HOME)
    local = local.model_copy(update={"archive": archive and archive.resolve(), "model_in_function": True})
    local.save()
    return local


def deploy_again(chosen: Mapping[str, str], note: OnNote, archive: Path | None = None) -> LocalStack:
    """Deploy with these parameters, and keep them for the deployments to come; with an archive, the function holds it."""
    local = start_emulator(note)
    if archive is not None:
        local = hold_in_function(local, archive)
    local = local.with_parameters(chosen)
    deploy(local, served_model(local), note, chosen)
    local.save()  # only now: a wrong one would keep the next `podium up` from deploying
    return local


def served_model(local: LocalStack) -> ArchivedModel | None:
    """The model that was served last."""
    return read_archive(local.archive) if local.archive and local.archive.exists() else None


def serve(local: LocalStack, archive: Path, note: OnNote) -> LocalStack:
    """Start TorchServe with this archive and wait until every worker is ready; a server with another archive is replaced.

    Raises ConsoleError with the server's reason when the model does not load.
    """
    archive = archive.resolve()
    model = read_archive(archive)
    if last_served(SERVER_HOME) == _identity(archive) and model_server.is_running(SERVER_HOME):
        note(f"TorchServe already serves {model.ref}")
        return local
    model_server.stop(SERVER_HOME)
    ports = model_server.Ports(local.inference_port, local.management_port, local.metrics_port)
    if not all(port_is_free(port) for port in (ports.inference, ports.management, ports.metrics)):
        local = move_server(local)
        local.save()
        ports = model_server.Ports(local.inference_port, local.management_port, local.metrics_port)
        note(f"the usual ports are taken: TorchServe answers on {local.model_server_url}")
    address = model_server.start(home=SERVER_HOME, archive=archive, ports=ports)
    model_server.wait_ready(
        address,
        model.name,
        timeout_s=READY_TIMEOUT_S,
        on_wait=lambda: note(f"TorchServe loads {model.ref}"),
    )
    write_atomically(_identity(archive), SERVER_HOME / "serving")
    local = local.model_copy(update={"archive": archive, "model_in_function": False})
    local.save()
    return local


def bring_up(
    archive: Path | None, note: OnNote, *, server: bool | None = None
) -> tuple[LocalStack, ArchivedModel | None]:
    """Start the emulator, the stack, and TorchServe if there is an archive: the given one, else the last, else the newest.

    `server`: whether TorchServe serves it, or the classify function itself holds it; None is as the last time.
    """
    if archive is not None:
        read_archive(archive)  # refuse a wrong one before anything starts
    killed = emulator.was_killed()
    local = start_emulator(note)
    chosen = archive or (local.archive if local.archive and local.archive.exists() else newest_archive())
    model = read_archive(chosen) if chosen else None
    if not (local.model_in_function if server is None else not server):
        local = serve(local, chosen, note) if chosen else local.model_copy(update={"model_in_function": False})
    else:
        local = hold_in_function(local, chosen)
    deploy(local, model, note)
    if killed:
        for batch in open_batches_again(Connection(None), datetime.now(UTC)):
            note(f"batch {batch} is open again")
    if model is not None and not local.model_in_function:
        probe_now()
    return local, model


def probe_now() -> None:
    """Have the gate probe the server now and not at its next minute: images that wait go on at once."""
    connection = Connection(None)
    connection.lambda_client.invoke(FunctionName=f"{connection.stack}-gate", InvocationType="Event", Payload=b"{}")


def bring_down(*, delete_data: bool) -> list[str]:
    """Stop server and emulator, and return those that ran; with `delete_data` delete buckets, tables and queues, too."""
    write_privately()
    stopped = ["TorchServe"] if model_server.is_running(SERVER_HOME) else []
    model_server.stop(SERVER_HOME)
    if emulator.stop():
        stopped.append("the embedded AWS")
    if delete_data:
        for folder in (
            emulator.FOLDER,
            *HOME.glob(f"{LOST}*"),
            HOME / "tls",
            SERVER_HOME,
            HOME / "build",
            HOME / ".aws-sam",
        ):
            shutil.rmtree(folder, ignore_errors=True)
        for path in LOCAL_FILES:
            path.unlink(missing_ok=True)
    return stopped


def move_server(local: LocalStack) -> LocalStack:
    """The same stack, with other ports for its model server; the embedded AWS, which may run, keeps its own.

    Raises ConsoleError when the person has set one of them, and it is taken.
    """
    ports = choose_ports(*SERVER_PORTS)
    return local.model_copy(update={f"{name}_port": port for name, port in ports.items()})


def last_served(server_home: Path) -> str | None:
    """The archive with which the model server was started last, as `serve` notes it; another text if the note is damaged."""
    path = server_home / "serving"
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else None


def _identity(archive: Path) -> str:
    """Changes when the archive is packaged again."""
    stat = archive.stat()
    return f"{archive} {stat.st_size} {stat.st_mtime_ns}"
