"""Which commands of the AWS CLI and the SAM CLI those tools would refuse. Runs in their environment, which knows none of ours.

Reads a JSON list of commands, each a list of words, from stdin; writes a JSON list of what is wrong with each, null if nothing is.
No command is carried out: the AWS CLI is stopped before its request, which botocore checks first, and the SAM CLI only parses.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from typing import Any

OTHERWISE = {"s3api": "s3"}  # the CLI's name, and botocore's


def aws_problem(words: list[str]) -> str | None:
    """What the AWS CLI says of the words after `aws`."""
    from awscli.clidriver import create_clidriver
    from awscli.customizations.commands import BasicCommand
    from botocore.validate import ParamValidator

    driver = create_clidriver()
    wrong: list[str] = []

    def stop(call_parameters: dict[str, Any], event_name: str, **_context: object) -> int:
        _, service, operation = event_name.split(".")
        services = {name.replace("-", ""): name for name in driver.session.get_available_services()}
        model = driver.session.get_service_model(services[OTHERWISE.get(service, service).replace("-", "")])
        names = {name.lower(): name for name in model.operation_names}
        shape = model.operation_model(names[operation.replace("-", "")]).input_shape
        report = ParamValidator().validate(call_parameters, shape) if shape else None
        wrong.extend([report.generate_report()] if report and report.has_errors() else [])
        return 0

    driver.session.get_component("event_emitter").register_first("calling-command", stop)
    for command in _commands_of_its_own(BasicCommand):
        command._run_main = lambda *_: 0  # type: ignore[attr-defined]
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            code = driver.main(words)
    except SystemExit as end:
        code = end.code
    if code in (0, None) and not wrong:
        return None
    return " ".join([*wrong, said.getvalue().strip()[-300:]]).strip() or f"exit code {code}"


def sam_problem(words: list[str]) -> str | None:
    """What the SAM CLI says of the words after `sam`."""
    import click
    from samcli.cli.context import Context
    from samcli.cli.main import cli

    name, *arguments = words
    parent = click.Context(cli, info_name="sam", obj=Context())
    command = cli.get_command(parent, name)
    if command is None:
        return f"sam has no command {name}"
    try:
        command.make_context(name, arguments, parent=parent)
    except click.ClickException as refused:
        return refused.format_message()
    return None


def _commands_of_its_own(kind: type) -> list[type]:
    found: list[type] = list(kind.__subclasses__())
    return found + [deeper for each in found for deeper in _commands_of_its_own(each)]


if __name__ == "__main__":
    PROBLEMS = {"aws": aws_problem, "sam": sam_problem}
    json.dump([PROBLEMS[words[0]](words[1:]) for words in json.load(sys.stdin)], sys.stdout)
