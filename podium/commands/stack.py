"""`podium up | down | status | deploy | env`: the stack is started, stopped, described and deployed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from podium.commands.options import AsJson, Stack
from podium.errors import EXIT_USAGE, ConsoleError

if TYPE_CHECKING:
    from podium.archives import ArchivedModel
    from podium.project import LocalStack


def up(
    archive: Annotated[
        Path | None,
        typer.Option(
            help="The archive to serve; without it, the one served last, else the newest.", metavar="NAME.mar"
        ),
    ] = None,
    server: Annotated[
        bool | None,
        typer.Option(
            "--server/--no-server",
            help="TorchServe serves the model, or the classify function itself holds it. As the last time; at first TorchServe.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Make what the stack has lost anew, without asking.")] = False,
) -> None:
    """Start the local stack: embedded AWS, the deployed template, TorchServe."""
    from podium.local.lost import killed_sentence
    from podium.local.privacy import root_sentence
    from podium.shown.console import print_next, print_note

    if killed := killed_sentence():
        print_note(killed, style="yellow")
    stack, model = _brought_up(archive, yes=yes, server=server)
    if root := root_sentence():
        print_note(root, style="yellow")
    print_note(f"the embedded AWS answers at {stack.endpoint_url}")
    if model is None:
        print_note("no model yet." if stack.model_in_function else "no model yet, so no TorchServe.")
        print_next("train", "FOLDER", then=", podium package RUN, podium up")
    else:
        where = "the classify function holds" if stack.model_in_function else "TorchServe serves"
        print_note(f"{where} {model.ref}{'' if stack.model_in_function else f' at {stack.model_server_url}'}")
        print_next("drop", "PATH", "--batch", "NAME", "--wait")


def down(
    delete_data: Annotated[bool, typer.Option("--delete-data", help="Delete buckets, tables and queues, too.")] = False,
) -> None:
    """Stop the local stack; `podium up` brings it back with all its data."""
    from podium.local.stack import bring_down
    from podium.shown.console import print_note
    from podium.shown.progress import waiting

    with waiting("stopping"):
        stopped = bring_down(delete_data=delete_data)
    print_note(f"stopped {' and '.join(stopped)}." if stopped else "nothing was running.")


def status(stack: Stack = None, as_json: AsJson = False) -> None:
    """Show the stack's addresses and names, and how many images wait."""
    from podium.connection import Connection
    from podium.shown.console import answer, print_json
    from podium.shown.stack import read_status, status_document, status_table

    now = read_status(Connection(stack))
    if as_json:
        print_json(status_document(now))
    else:
        answer.print(status_table(now))


def deploy(
    stack: Stack = None,
    archive: Annotated[
        Path | None,
        typer.Option(
            help="The archive that the classify function itself holds, in place of a model server.", metavar="NAME.mar"
        ),
    ] = None,
    model_server_url: Annotated[str | None, typer.Option(help="The model server's address.", metavar="URL")] = None,
    model: Annotated[str | None, typer.Option(help="The model that the server has.", metavar="NAME@VERSION")] = None,
    parameter: Annotated[
        list[str] | None, typer.Option(help="A parameter of template.yaml; may be repeated.", metavar="Name=Value")
    ] = None,
    yes: Annotated[
        bool,
        typer.Option("--yes", "-y", "--no-confirm", help="On AWS, ask about neither the account nor the change set."),
    ] = False,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Only list what would be made or changed, and what it costs; nothing is changed."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --plan, print one JSON document on stdout.")] = False,
) -> None:
    """Deploy template.yaml to the embedded AWS, or with --stack to your AWS account."""
    from podium.local.stack import deploy_again
    from podium.published import read_for_function
    from podium.shown.console import print_next, print_note
    from podium.shown.progress import waiting

    chosen = _parameters(model, model_server_url, parameter or [])
    if archive is not None and chosen.keys() & {"ModelServerUrl", "ModelName", "ModelVersion"}:
        raise ConsoleError(
            "--archive is for a model inside the function, and says its name itself: leave out --model-server-url and --model.",
            EXIT_USAGE,
        )
    if archive is not None:
        read_for_function(archive)  # refuse a wrong one before anything starts
    if as_json and not plan:
        raise ConsoleError("--json is for --plan: a deployment prints what the SAM CLI says.", EXIT_USAGE)
    if plan:
        _show_plan(stack, chosen, archive, as_json=as_json)
        return
    if stack is None:
        with waiting("deploying") as note:
            local = deploy_again(chosen, note, archive)
        print_note(f"deployed to {local.endpoint_url}")
    else:
        _deploy_to_aws(stack, chosen, archive, yes=yes)
    print_next("status", stack=stack)


def env(
    unset: Annotated[
        bool, typer.Option("--unset", help="Print the way back: the variables as they were before.")
    ] = False,
) -> None:
    """Print the variables that reach the local stack, for a shell: eval "$(podium env)"."""
    from podium.project import local_stack
    from podium.shown.shell import exports, newest_aws, unsets

    if unset:
        lines = unsets()
    elif (local := local_stack()) is not None:
        lines = exports(local, newest_aws())
    else:
        raise ConsoleError("there is no local stack yet. Make one with `podium up`.")
    for line in lines:
        typer.echo(line)


def _deploy_to_aws(stack: str, chosen: dict[str, str], archive: Path | None, *, yes: bool) -> None:
    from podium.aws_account import where_to_deploy
    from podium.connection import Connection
    from podium.local.deployment import built_for, deploy_to_aws
    from podium.local.reindex import check_indexes, check_left_indexes
    from podium.published import NO_MODEL, publish
    from podium.removal.adopt import adopt, left_from_before
    from podium.shown.console import print_note

    if not yes and not sys.stdin.isatty():
        raise ConsoleError(
            f"nobody can confirm here that stack {stack!r} goes to the right account, because there is no terminal: add "
            "--yes to deploy without a question.",
            EXIT_USAGE,
        )
    there = where_to_deploy(stack)
    print_note(f"stack {stack!r} is deployed to {there}.")
    if not yes and not typer.confirm("Go on?", err=True):
        raise ConsoleError("nothing was deployed. AWS_PROFILE and AWS_REGION choose another account and Region.")
    connection = Connection(stack)
    if left := left_from_before(connection):
        for table in (it.name for it in left if it.logical_id == "ResultsTable"):
            check_left_indexes(connection, table)
        print_note(f"it takes over what a stack of this name left: {', '.join(map(str, left))}.")
        adopt(connection, left)
    if connection.is_deployed:
        check_indexes(connection)
    chosen = built_for(connection, chosen)
    if archive is not None:
        if not connection.is_deployed:
            print_note("first without a model: the stack's own bucket is where its archive will lie.")
            deploy_to_aws(stack, there.region, {**NO_MODEL, **chosen}, print_note, confirm=not yes)
        print_note(f"uploading {archive.name}")
        chosen = {**chosen, **publish(connection, archive)}
    deploy_to_aws(stack, there.region, chosen, print_note, confirm=not yes)


def _show_plan(stack: str | None, chosen: dict[str, str], archive: Path | None, *, as_json: bool) -> None:
    from podium.costs.assumptions import Assumptions
    from podium.costs.prices import load_prices
    from podium.costs.shapes import Setting
    from podium.plan import plan, with_archive
    from podium.shown.console import answer, print_json, print_line
    from podium.shown.plan import cost_table, plan_document, plan_sentences, resources_table

    found = plan(stack, with_archive(chosen, archive), Setting(load_prices(), Assumptions()))
    if as_json:
        print_json(plan_document(found))
        return
    answer.print(resources_table(found))
    print_line("")
    answer.print(cost_table(found))
    print_line("")
    for sentence in plan_sentences(found):
        print_line(sentence)


def _brought_up(archive: Path | None, *, yes: bool, server: bool | None) -> tuple[LocalStack, ArchivedModel | None]:
    """The stack, after what it has lost was made anew, if the person wants that."""
    from podium.local.lost import Lost
    from podium.local.stack import bring_up
    from podium.shown.console import print_note
    from podium.shown.progress import waiting

    while True:
        try:
            with waiting("starting") as note:
                return bring_up(archive, note, server=server)
        except Lost as lost:
            if not yes and not sys.stdin.isatty():
                raise
            print_note(lost.sentence, style="yellow")
            if not yes:
                typer.confirm(f"Shall Podium {lost.offer}?", abort=True, err=True)
            lost.mend()


def _parameters(model: str | None, model_server_url: str | None, pairs: list[str]) -> dict[str, str]:
    """The template's parameters that the options choose; ConsoleError for one that it does not have or take."""
    from podium.project import ROOT
    from podium.template_parameters import check_parameter

    chosen: dict[str, str] = {}

    def choose(name: str, value: str, option: str) -> None:
        check_parameter(name, value, option, ROOT / "template.yaml")
        chosen[name] = value

    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConsoleError(f"--parameter {pair!r} must read Name=Value, such as ModelServers=4.", EXIT_USAGE)
        choose(name, value, f"--parameter {name}")
    if model is not None:
        from podium.care.reclassify import model_of

        named = model_of(model)
        choose("ModelName", named.name, "--model")
        choose("ModelVersion", named.version, "--model")
    if model_server_url is not None:
        choose("ModelServerUrl", model_server_url, "--model-server-url")
    return chosen
