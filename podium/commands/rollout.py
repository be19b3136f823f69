"""`podium rollout start | status | promote | rollback`: a new model is tried beside the stack's, and takes over step by step."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from podium.commands.options import AsJson, Stack
from podium.errors import ConsoleError


def start(
    model: Annotated[str, typer.Argument(help="The candidate.", metavar="NAME@VERSION")],
    archive: Annotated[
        Path | None,
        typer.Option(
            help="Its archive, if the function itself holds the models and it is not uploaded yet.", metavar="NAME.mar"
        ),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Another model server that has it; without it, the stack's own.", metavar="URL")
    ] = None,
    share: Annotated[
        float, typer.Option(min=0.1, max=100, help="Compare so many per cent of the images.", metavar="PERCENT")
    ] = 10,
    steps: Annotated[str, typer.Option(help="The weights after shadow, in per cent.", metavar="LIST")] = "5,25,50,100",
    max_disagreement: Annotated[
        float,
        typer.Option(min=0, max=100, help="Roll back if surely more of the best classes differ.", metavar="PERCENT"),
    ] = 20,
    max_errors: Annotated[
        float,
        typer.Option(min=0, max=100, help="Roll back if it surely leaves more images unanswered.", metavar="PERCENT"),
    ] = 2,
    min_compared: Annotated[
        int, typer.Option(min=0, help="Compare so many images in a stage before the next.", metavar="N")
    ] = 100,
    images: Annotated[
        int, typer.Option(min=0, max=1000, help="Show so many images that have a result to both, at once.", metavar="N")
    ] = 20,
    timeout: Annotated[
        float,
        typer.Option(
            min=1, help="Wait so long for its first answer; a server may have to be woken.", metavar="SECONDS"
        ),
    ] = 1200,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Begin: the candidate is only compared, and images that have a result wake it and try it. Waits for its first answer."""
    from podium.care import rollout
    from podium.care.reclassify import model_of
    from podium.care.rollout_seen import wait_for_answer
    from podium.connection import Connection
    from podium.shown.console import print_json, print_next, print_note
    from podium.shown.progress import waiting
    from podium.shown.rollout import document, show_status

    connection = Connection(stack)
    wanted = rollout.Wanted(
        model_of(model, "NAME@VERSION"), archive, url, share, steps, max_disagreement / 100, max_errors / 100,
        min_compared,
    )  # fmt: skip
    begun = rollout.start(connection, wanted, datetime.now(UTC))
    sent = rollout.show_to_both(connection, begun, images)
    print_note(f"{begun.candidate.ref} is compared with {begun.replaces}; {sent} images are shown to both at once.")
    if not sent:
        print_note(
            "no image has a result of this model yet, so nothing is tried until some are dropped.", style="yellow"
        )
    with waiting("waiting for its first answer") as note:
        for seen in wait_for_answer(connection, begun, timeout_s=timeout):
            note(f"compared {seen.tally.compared}, not answered {seen.tally.errors}")
    if as_json:
        print_json(document(seen))
    else:
        show_status(seen, datetime.now(UTC))
    print_next("rollout", "status", "--watch", stack=stack, then=", podium rollout promote")


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Show it anew every other second until it ends.")] = False,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Show the stage, both models side by side, and where they disagree."""
    from podium.care.rollout_seen import Seen, look
    from podium.connection import Connection
    from podium.shown.console import print_json
    from podium.shown.rollout import document, show_status, watch_status

    connection = Connection(stack)

    def seen_now() -> Seen:
        seen = look(connection)
        if seen is None:
            raise ConsoleError("there was no rollout yet: `podium rollout start NAME@VERSION` begins one.")
        return seen

    if as_json:
        print_json(document(seen_now()))
    elif watch:
        watch_status(seen_now, lambda: datetime.now(UTC))
    else:
        show_status(seen_now(), datetime.now(UTC))


def promote(
    to: Annotated[
        float | None, typer.Option(min=0.1, max=100, help="This weight, not the next.", metavar="PERCENT")
    ] = None,
    untested: Annotated[
        bool, typer.Option("--untested", help="Go on although too few images were compared in this stage.")
    ] = False,
    stack: Stack = None,
) -> None:
    """Let the candidate answer more of the images; at 100 %, say what makes it permanent, and end when that is done."""
    from podium.care import rollout
    from podium.connection import Connection
    from podium.shown.console import print_next, print_note

    connection = Connection(stack)
    now = rollout.promote(connection, to=to, untested=untested, now=datetime.now(UTC))
    if now.stage == "promoted":
        print_note(f"the rollout has ended: {now.candidate.ref} is the stack's model.")
        return
    if untested:
        print_note("promoted UNTESTED: too few images were compared to know how the candidate does.", style="yellow")
    print_note(f"{now.candidate.ref} answers {now.weight:g} % of the new images, within half a minute.")
    if now.next_weight is None:
        print_note(
            f"to make that permanent: {rollout.how_to_deploy(connection, now)}; then `podium rollout promote` ends the rollout."
        )
    print_next("rollout", "status", "--watch", stack=stack)


def rollback(
    reason: Annotated[str, typer.Option(help="Why, for whoever reads the status later.", metavar="TEXT")] = "by hand",
    stack: Stack = None,
) -> None:
    """End the rollout: within half a minute the current model answers all new images again."""
    from podium.care.rollout import roll_back
    from podium.connection import Connection
    from podium.shown.console import print_next, print_note

    ended = roll_back(Connection(stack), reason, datetime.now(UTC))
    print_note(
        f"{ended.candidate.ref} is rolled back: within half a minute {ended.replaces} answers all new images. "
        "Its results stay, under its name."
    )
    if ended.weight:
        print_next(
            "rollout",
            "status",
            stack=stack,
            then=f"; podium reclassify --model {ended.replaces} --batch NAME classifies again",
        )
