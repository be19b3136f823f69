"""A deployed stack as a person reads it, also at the end of the demo."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from podium.connection import Connection, MessageCounts, StackFacts
from podium.shown.console import plain_table


@dataclass(frozen=True)
class Status:
    """A stack at one moment."""

    facts: StackFacts
    waiting: MessageCounts
    dead_letters: int
    gate: str  # of the event source mapping: Enabled, Disabled, or on its way to one of them
    server_answers: bool | None  # None: on AWS, where the console cannot reach it, and if there is none


def read_status(connection: Connection) -> Status:
    """The stack as it is now."""
    facts = connection.facts
    return Status(
        facts=facts,
        waiting=connection.message_counts(facts.queue_url),
        dead_letters=sum(connection.message_counts(facts.dlq_url)),
        gate=connection.gate,
        server_answers=not connection.server_is_down if connection.local and facts.model_server_url else None,
    )


def status_table(now: Status) -> Table:
    """The stack's addresses and names, its waiting messages, its gate and its model server."""
    table = plain_table("", "", header=False)
    for name, value in now.facts.model_dump(exclude_none=True).items():
        table.add_row(name.replace("_", " "), str(value))
    table.add_row("images waiting", f"{sum(now.waiting)}{_pause(now)}")
    table.add_row("dead letters", str(now.dead_letters))
    table.add_row(*_gate(now))
    if now.server_answers is not None:
        table.add_row("model server", "answers" if now.server_answers else "does not answer; start it with `podium up`")
    return table


def status_document(now: Status) -> dict[str, object]:
    """The same for JSON."""
    return {
        **now.facts.model_dump(mode="json"),
        "images_waiting": sum(now.waiting),
        "images_in_flight": now.waiting.in_flight,
        "dead_letters": now.dead_letters,
        "gate": now.gate,
        "model_server_answers": now.server_answers,
    }


def farewell(facts: StackFacts, batch: str, photos: Path, seconds: float) -> str:
    """Where everything is that the demo made, and three commands to go on with."""
    return (
        f"\nDone in {seconds:.0f} s. Everything keeps running:\n"
        f"  results as JSON  s3://{facts.results_bucket}/results/incoming/{batch}/\n"
        f"  rows             table {facts.table} at {facts.endpoint_url}\n"
        f"  model            {facts.model} {f'at {facts.model_server_url}' if facts.model_server_url else 'in the classify function'}\n"
        "\nTry next:\n"
        '  .venv/bin/podium results --label "tennis ball" --min 0.5\n'
        f"  .venv/bin/podium drop {shlex.quote(os.path.relpath(photos))} --batch mine --wait\n"
        "  .venv/bin/podium down"
    )


def _pause(now: Status) -> str:
    above = now.facts.backfill_pauses_above
    return f"; a backfill waits until they are {above} or fewer" if above and sum(now.waiting) > above else ""


def _gate(now: Status) -> tuple[str, str]:
    """The gate function opens and closes by the model server's health; without a server, only a missing model closes."""
    open_or = "open" if now.gate == "Enabled" else now.gate.lower()
    if now.facts.model_server_url is None:
        return "queue", open_or if now.facts.model_archive else "closed: there is no model yet, and images wait"
    closed = "closed: images wait until the model server answers; then it opens by itself"
    return "gate", closed if now.gate == "Disabled" else open_or
