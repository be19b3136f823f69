"""`podium`: run the console. However it ends, the person reads one line, and a script an exit code."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from podium.aws_errors import raised_by_boto3, sentence_of
from podium.errors import EXIT_FAILED, EXIT_INTERRUPTED, ConsoleError, about_the_machine


def main() -> None:
    """Run the console; a ConsoleError is its lines on stderr and an exit code."""
    _open_closed_streams()
    try:
        from podium.app import app  # takes a moment, in which Ctrl-C may come

        with about_the_machine():
            app()
    except ConsoleError as error:
        _fail(error)
    except raised_by_boto3() as error:
        _fail(ConsoleError(sentence_of(error)))
    except KeyboardInterrupt:
        _end_interrupted()
    except SystemExit as end:  # so typer ends, also after Ctrl-C
        if end.code == EXIT_INTERRUPTED:
            _end_interrupted()
        _flush()
        raise


def _open_closed_streams() -> None:
    """Let a stream that the shell has closed (`podium ... >&-`) lead nowhere: Python has None in its place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - as long as the process


def _fail(error: ConsoleError) -> NoReturn:
    import typer

    for line in error.lines():
        typer.echo(line if os.environ.get("NO_COLOR") else typer.style(line, fg="red"), err=True)
    sys.exit(error.exit_code)


def _end_interrupted() -> NoReturn:
    """One line, when the programs that this command started are stopped; a second Ctrl-C ends at once."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from podium.processes import stop_children

    stop_children()
    sys.stderr.write("\npodium: interrupted.\n" if sys.stderr.isatty() else "podium: interrupted.\n")
    _flush()
    sys.exit(EXIT_INTERRUPTED)


def _flush() -> None:
    """Write what is left of stdout; a reader that has gone, as in `podium results | head`, is no error to speak of."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_FAILED)


if __name__ == "__main__":
    main()
