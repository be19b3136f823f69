"""`podium destroy`: a deployment on AWS is taken down."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from podium.commands.options import Stack
from podium.errors import EXIT_USAGE, ConsoleError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podium.removal.destroy import Deployment
    from podium.removal.retained import Held


def destroy(
    stack: Stack = None,
    delete_data: Annotated[
        bool, typer.Option("--delete-data", help="Delete its buckets, tables and dead letters, too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
) -> None:
    """Take a deployment on AWS down; images and results stay, unless you say otherwise."""
    from podium.aws_account import account_of
    from podium.connection import Connection
    from podium.removal.destroy import destroy, find_deployment
    from podium.removal.retained import held_by, retained_here
    from podium.removal.stacks import networks
    from podium.shown.console import command, print_next, print_note
    from podium.shown.progress import waiting

    if stack is None:
        raise ConsoleError(
            "which stack? Name it with --stack. The local one is stopped by `podium down`, and deleted by "
            "`podium down --delete-data`.",
            EXIT_USAGE,
        )
    if not yes and not sys.stdin.isatty():
        raise ConsoleError(
            f"nobody can confirm here that stack {stack!r} is deleted, because there is no terminal: add --yes.",
            EXIT_USAGE,
        )
    connection = Connection(stack)
    there = account_of(connection.session, stack)
    with waiting("looking"):
        deployment = find_deployment(connection)
        if deployment.is_gone:
            raise ConsoleError(f"there is no stack {stack!r} and nothing of it in {there}.")
        held = [held_by(connection, it) for it in deployment.retained] if delete_data else []
    if deployment.stacks or held:
        for sentence in _what_goes(deployment, held, str(there)):
            print_note(sentence)
        if not yes and not typer.confirm("Delete it?", err=True):
            raise ConsoleError("nothing was deleted.")
        with waiting("deleting") as note:
            destroy(connection, deployment, note, data=delete_data)
    for network in networks(connection):
        print_note(
            f"network {network!r} is left: its NAT gateway or its endpoints cost money day and night. If nothing else uses it: "
            f"aws cloudformation delete-stack --stack-name {network}"
        )
    left = retained_here(connection)
    if not left:
        print_note(f"nothing of {stack!r} is left.")
        return
    print_note(f"{stack!r} is deleted. It leaves, and AWS goes on charging for: {', '.join(map(str, left))}.")
    print_note(f"a new stack of this name takes them over: {command('deploy', stack=stack)}")
    print_next("destroy", "--delete-data", stack=stack, then=", to delete them, too")


def _what_goes(deployment: Deployment, held: Sequence[Held], there: str) -> list[str]:
    """What the person agrees to."""
    going = [*(f"stack {it}" for it in deployment.stacks), *map(str, held)]
    sentences = [f"in {there}, this is deleted:", *(f"  {it}" for it in going)]
    if not held and deployment.retained:
        sentences.append(f"and this stays: {', '.join(map(str, deployment.retained))}.")
    return sentences
