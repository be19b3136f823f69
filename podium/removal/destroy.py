"""A deployment on AWS is taken down, in the order in which nothing hangs and nothing starts again.

each stack, the core one first: at rest -> no machines -> deleted; then perhaps the data
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from podium.connection import Connection
from podium.removal.data import delete_data
from podium.removal.machines import bring_to_none
from podium.removal.quiet import bring_to_rest
from podium.removal.retained import Retained, retained_here
from podium.removal.stacks import check_ours, delete_stack, find_stack, resources_of, stacks_beside

OnNote = Callable[[str], None]
Sleep = Callable[[float], None]


@dataclass(frozen=True)
class Deployment:
    """What there is of a deployment; after an interruption, what is left of it."""

    stack: str | None
    beside: Sequence[str]  # stacks that serve it, such as that of the GPUs
    retained: Sequence[Retained]  # what outlives the stack

    @property
    def stacks(self) -> Sequence[str]:
        """All stacks, in the order in which they go."""
        return [*([self.stack] if self.stack else []), *self.beside]

    @property
    def is_gone(self) -> bool:
        """Whether nothing is left."""
        return not (self.stacks or self.retained)


def find_deployment(connection: Connection) -> Deployment:
    """What there is of the connection's stack. ConsoleError if another template made the stack of this name."""
    found = find_stack(connection, connection.stack)
    retained = retained_here(connection)
    if found is not None:
        check_ours(connection, found, {it.name for it in retained})
    return Deployment(found and found["StackName"], stacks_beside(connection), retained)


def destroy(
    connection: Connection, deployment: Deployment, note: OnNote, *, data: bool, sleep: Sleep = time.sleep
) -> None:
    """Take it down; every step bears being repeated. `data`: delete what it retains, too.

    The functions go first: they hold network interfaces in the security group of the stack beside. The stack itself may be
    that of the GPUs alone.
    """
    for stack in deployment.stacks:
        resources = resources_of(connection, stack)
        bring_to_rest(connection, resources, note, sleep=sleep)
        bring_to_none(connection, resources, note, sleep=sleep)
        delete_stack(connection, stack, note, sleep=sleep)
    if data:
        delete_data(connection, retained_here(connection), note)
