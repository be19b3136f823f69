"""`podium doctor`: what would stop a person, on this machine or in their AWS account."""

from __future__ import annotations

from typing import Annotated

import typer

from podium.commands.options import AsJson, Stack
from podium.errors import EXIT_FAILED

DEFAULT_STACK = "podium"
DEFAULT_MAX_TASKS = 2  # as in gpu-stack.yaml


def doctor(
    aws: Annotated[
        bool, typer.Option("--aws", help="Look at your AWS account, too; nothing in it is changed.")
    ] = False,
    stack: Stack = None,
    max_tasks: Annotated[
        int | None,
        typer.Option(
            "--max-tasks",
            min=1,
            max=32,
            help="You want the GPU path with so many servers: what it lacks counts, too (exit code 1).",
            metavar="N",
        ),
    ] = None,
    subnet: Annotated[
        list[str] | None,
        typer.Option("--subnet", help="A subnet of yours for the GPU path; may be repeated.", metavar="SUBNET-ID"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look for what would stop you, on this machine and with --aws in your account; each finding names its command."""
    from podium.doctor.account import look_at_aws
    from podium.doctor.machine import look_at_machine
    from podium.shown.console import answer, print_json, print_note
    from podium.shown.doctor import finding_lines, findings_document

    findings = list(look_at_machine())
    if aws or stack is not None or max_tasks is not None or subnet:
        findings += look_at_aws(stack or DEFAULT_STACK, max_tasks or DEFAULT_MAX_TASKS, subnet or [])
    if as_json:
        print_json(findings_document(findings))
    else:
        for line in finding_lines(findings):
            answer.print(line)
    wanted = [one for one in findings if one.part != "gpu" or max_tasks is not None or subnet]
    open_ones = [one for one in wanted if not one.is_well]
    if open_ones:
        print_note(f"{len(open_ones)} to mend: {', '.join(one.subject for one in open_ones)}.")
        raise typer.Exit(EXIT_FAILED)
