"""The console's commands. Importing them is cheap; each imports its rooms when it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from podium.commands import audit, batch, care, cost, demo, destroy, doctor, evaluation, model, rollout, stack, training
from podium.parsing import Command

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Every image gets a podium: its three most likely classes.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not finished in time, 75 stopped by a signal (see train --resume), 130 interrupted.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"podium {version('podium')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options of podium itself."""


# The panels of `podium --help`, and the commands in each.
PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "The stack": (demo.demo, stack.up, stack.down, stack.status, stack.deploy, destroy.destroy, stack.env, doctor.doctor),
    "A batch": (batch.drop, batch.watch, batch.results),
    "Images again, or of an existing bucket": (care.redrive, care.reclassify, care.backfill, care.reindex),
    "Money": (cost.cost,),
    "A model": (
        audit.audit, training.train, training.recipes, evaluation.evaluate, evaluation.compare, evaluation.predict,
        model.package, model.render,
    ),
}  # fmt: skip
for panel, commands in PANELS.items():
    for command in commands:
        context = training.ANY_SETTING if command is training.train else None
        app.command(cls=Command, rich_help_panel=panel, context_settings=context)(command)
rollouts = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Try a new model beside the stack's: shadow, then weight by weight.",
)
for step in (rollout.start, rollout.status, rollout.promote, rollout.rollback):
    rollouts.command(cls=Command)(step)
app.add_typer(rollouts, name="rollout", rich_help_panel="A model")
