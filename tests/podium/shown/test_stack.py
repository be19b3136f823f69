"""A stack's status as a person reads it."""

from __future__ import annotations

import pytest
from rich.console import Console

from podium.connection import Connection, MessageCounts
from podium.shown.stack import Status, status_document, status_table


@pytest.mark.parametrize(
    ("waiting", "above", "shown"),
    [(433_500, 432_000, True), (432_000, 432_000, False), (433_500, None, False)],
)
def test_that_a_backfill_waits_is_said_beside_what_waits(
    connection: Connection, waiting: int, above: int | None, shown: bool
) -> None:
    facts = connection.facts.model_copy(update={"backfill_pauses_above": above})
    now = Status(facts, MessageCounts(waiting - 20, 20), dead_letters=0, gate="Enabled", server_answers=None)
    console = Console(width=200)
    with console.capture() as text:
        console.print(status_table(now))
    assert f"{waiting}" in text.get()
    assert ("a backfill waits until they are 432000 or fewer" in text.get()) is shown
    assert status_document(now)["images_waiting"] == waiting
