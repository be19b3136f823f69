"""`podium`: the console. Importing it is cheap; each command imports its rooms when it runs."""

from __future__ import annotations

import sys

import typer

from podium.commands import audit, batch, care, demo, evaluation, model, stack, training
from podium.errors import ConsoleError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Every image gets a podium: its three most likely classes.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not finished in time, 75 stopped by a signal (see train --resume).",
)
for room in (demo, stack, batch, care, audit, training, evaluation, model):
    room.register(app)


def main() -> None:
    """Run the console; a ConsoleError is one line on stderr and an exit code."""
    try:
        app()
    except ConsoleError as error:
        typer.secho(f"podium: {error}", fg="red", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
