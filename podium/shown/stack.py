"""A deployed stack as a person reads it, also at the end of the demo, and as a shell evaluates it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from rich.table import Table

from podium.connection import Connection, StackFacts
from podium.project import PYTHON, TOOLS, LocalStack
from podium.shown.console import plain_table


def status_table(connection: Connection) -> Table:
    """The stack's addresses and names, its waiting messages, its gate and its model server."""
    facts = connection.facts
    table = plain_table(header=False)
    for name, value in facts.model_dump(exclude_none=True).items():
        table.add_row(name.replace("_", " "), str(value))
    for name, url in (("images waiting", facts.queue_url), ("dead letters", facts.dlq_url)):
        table.add_row(name, str(sum(connection.message_counts(url))))
    table.add_row("gate", _gate(connection.gate))
    if connection.local:
        down = connection.server_is_down
        table.add_row("model server", "does not answer; start it with `podium up`" if down else "answers")
    return table


def farewell(facts: StackFacts, batch: str, photos: Path, seconds: float) -> str:
    """Where everything is that the demo made, and three commands to go on with."""
    return (
        f"\nDone in {seconds:.0f} s. Everything keeps running:\n"
        f"  results as JSON  s3://{facts.results_bucket}/results/incoming/{batch}/\n"
        f"  rows             table {facts.table} at {facts.endpoint_url}\n"
        f"  model            {facts.model} at {facts.model_server_url}\n"
        "\nTry next:\n"
        '  .venv/bin/podium results --label "tennis ball" --min 0.5\n'
        f"  .venv/bin/podium drop {shlex.quote(os.path.relpath(photos))} --batch mine --wait\n"
        "  .venv/bin/podium down"
    )


def exports(local: LocalStack) -> Iterator[str]:
    """Lines of shell: the variables that reach the local stack, and a PATH with podium, sam, aws and the functions' Python."""
    for name, value in local.client_environment.items():
        yield f"export {name}={shlex.quote(value)}"
    folders = [str(PYTHON), str(TOOLS)]
    if os.get_exec_path()[: len(folders)] != folders:
        yield f"export PATH={':'.join(map(shlex.quote, folders))}:$PATH"


def _gate(state: str) -> str:
    """The gate function opens and closes by the model server's health."""
    if state == "Disabled":
        return "closed: images wait until the model server answers; then it opens by itself"
    return "open" if state == "Enabled" else state.lower()
