"""`podium up | down | status | deploy | env`: the stack from a person's side."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from podium.errors import EXIT_USAGE, ConsoleError

if TYPE_CHECKING:
    from podium.connection import Connection

Stack = Annotated[
    str | None, typer.Option("--stack", help="A stack on AWS; without it, the local one.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def up(
    archive: Annotated[
        Path | None, typer.Option(help="The .mar to serve; without it, the last one, else the newest.")
    ] = None,
) -> None:
    """Start the local stack: embedded AWS, the deployed template, TorchServe."""
    from podium.local import stack as local
    from podium.shown import results as present
    from podium.shown.progress import waiting

    with waiting("starting") as note:
        stack, model = local.bring_up(archive, note)
    present.notes.print(f"the embedded AWS answers at {stack.endpoint_url}")
    if model is None:
        present.notes.print("no model yet, so no TorchServe.\nnext: podium train FOLDER, podium package RUN, podium up")
    else:
        present.notes.print(
            f"TorchServe serves {model.ref} at {stack.model_server_url}\nnext: podium drop PATH --batch NAME --wait"
        )


def down(
    delete_data: Annotated[bool, typer.Option("--delete-data", help="Forget buckets, tables and queues too.")] = False,
) -> None:
    """Stop the local stack; what it holds is kept for the next `podium up`."""
    from podium.local import stack as local
    from podium.shown import results as present
    from podium.shown.progress import waiting

    with waiting("stopping"):
        stopped = local.bring_down(delete_data=delete_data)
    present.notes.print(f"stopped {' and '.join(stopped)}." if stopped else "nothing was running.")


def status(stack: Stack = None, as_json: AsJson = False) -> None:
    """Say where everything is, and how much is waiting."""
    from rich.table import Table

    from podium.connection import Connection
    from podium.local import stack as local
    from podium.shown import results as present

    connection = Connection(stack)
    facts = connection.facts
    if as_json:
        present.print_json(facts)
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in facts.model_dump(exclude_none=True).items():
        table.add_row(name.replace("_", " "), str(value))
    for name, url in (("images waiting", facts.queue_url), ("dead letters", facts.dlq_url)):
        table.add_row(name, str(_messages(connection, url)))
    table.add_row("gate", _gate(connection))
    if connection.local:
        answers = local.model_server_answers(facts.model_server_url)
        table.add_row("model server", "answers" if answers else "does not answer; start it with `podium up`")
    present.answer.print(table)


def deploy(
    stack: Stack = None,
    model_server_url: Annotated[str | None, typer.Option(help="Where TorchServe answers (needed on AWS).")] = None,
    model: Annotated[str | None, typer.Option(help="NAME@VERSION that is expected to answer.")] = None,
    parameter: Annotated[list[str] | None, typer.Option(help="Name=Value of template.yaml; may be repeated.")] = None,
    confirm: Annotated[bool, typer.Option(help="Show the change set and ask before AWS is changed.")] = True,
) -> None:
    """Deploy template.yaml: to the embedded AWS, or with --stack to your AWS account."""
    from podium.local import deployment
    from podium.local import stack as local
    from podium.shown import results as present
    from podium.shown.progress import waiting

    chosen = _parameters(model, parameter or [])
    if stack is None:
        with waiting("deploying") as note:
            started = local.start_emulator(note)
            if model_server_url is not None:
                chosen["ModelServerUrl"] = model_server_url
            started = started.with_parameters(chosen)
            started.save()
            local.deploy(started, local.served_model(started), note, chosen)
        present.notes.print(f"deployed to {started.endpoint_url}\nnext: podium status")
        return
    if model_server_url is None:
        raise ConsoleError(
            "--model-server-url is needed on AWS: the functions must know where TorchServe answers.", EXIT_USAGE
        )
    chosen["ModelServerUrl"] = model_server_url
    deployment.deploy_to_aws(stack, chosen, present.notes.print, confirm=confirm)
    present.notes.print(f"next: podium status --stack {stack}")


def env() -> None:
    """Print what a shell needs to reach the local stack: eval "$(podium env)"."""
    from podium.local import emulator
    from podium.project import ROOT, TOOLS, local_stack

    local = local_stack()
    if local is None:
        raise ConsoleError("there is no local stack yet. Make one with `podium up`.")
    for name, value in emulator.client_environment(local).items():
        typer.echo(f"export {name}={shlex.quote(value)}")
    folders = [folder for folder in (ROOT / ".venv" / "bin", TOOLS) if str(folder) not in os.get_exec_path()]
    if folders:
        typer.echo(f"export PATH={':'.join(map(shlex.quote, map(str, folders)))}:$PATH")


def _parameters(model: str | None, pairs: list[str]) -> dict[str, str]:
    chosen = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConsoleError(f"--parameter {pair!r} must read Name=Value, such as ModelServers=4.", EXIT_USAGE)
        chosen[name] = value
    if model is not None:
        name, at, version = model.partition("@")
        if not (name and at and version):
            raise ConsoleError(f"--model {model!r} must read NAME@VERSION, such as balls@1.0.", EXIT_USAGE)
        chosen |= {"ModelName": name, "ModelVersion": version}
    return chosen


def _messages(connection: Connection, queue_url: str) -> int:
    counts = connection.sqs.get_queue_attributes(
        QueueUrl=queue_url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    return sum(int(count) for count in counts.values())


def _gate(connection: Connection) -> str:
    """Whether images go to the model server; the gate function decides it by the server's health."""
    state = connection.lambda_client.get_event_source_mapping(UUID=connection.facts.mapping)["State"]
    if state == "Disabled":
        return "closed: images wait until the model server answers; then it opens by itself"
    return "open" if state == "Enabled" else f"{state.lower()}"


def register(app: typer.Typer) -> None:
    """Add these commands to the console."""
    for command in (up, down, status, deploy, env):
        app.command()(command)
