"""`podium drop | watch | results`: a batch goes in, is watched, and its results come out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from podium.commands.options import AsJson, Limit, OnlyImage, OnlyLabel, OnlyUncertain, Stack, Timeout, Wait

ROWS = 50  # if no option narrows them


def drop(
    paths: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.", metavar="PATH...")],
    batch: Annotated[str, typer.Option("--batch", help="The batch's name.", metavar="NAME")],
    wait: Wait = False,
    timeout: Timeout = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Upload images as one batch; with --wait, show their results."""
    from podium.batches.drop import plan_uploads
    from podium.batches.results import RowFilter, find
    from podium.connection import Connection
    from podium.shown.batch import show_drop, show_watch
    from podium.shown.console import print_json, print_next, print_note
    from podium.shown.results import show_rows

    uploads = plan_uploads(paths, batch)
    connection = Connection(stack)
    show_drop(connection, uploads)
    if wait:
        show_watch(connection, batch, timeout_s=timeout)
        show_rows(find(connection, RowFilter(batch=batch)), "json" if as_json else "table")
        return
    location = f"s3://{connection.facts.input_bucket}/incoming/{batch}/"
    if as_json:
        print_json({"batch": batch, "images": len(uploads), "location": location})
    print_note(f"{len(uploads)} files are in {location}")
    print_next("watch", batch, stack=stack)


def watch(
    batch: Annotated[str, typer.Argument(help="The batch's name.", metavar="NAME")],
    timeout: Timeout = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Watch a batch until every image is classified or rejected."""
    from podium.connection import Connection
    from podium.shown.batch import show_watch
    from podium.shown.console import print_next

    show_watch(Connection(stack), batch, timeout_s=timeout, as_json=as_json)
    print_next("results", batch, stack=stack)


def results(
    batch: Annotated[
        str | None, typer.Argument(help="A batch's name; without it, all batches.", metavar="NAME")
    ] = None,
    label: OnlyLabel = None,
    min_probability: Annotated[
        float | None,
        typer.Option(
            "--min",
            min=0,
            max=1,
            help="Only images whose most likely class has at least this probability.",
            metavar="P",
        ),
    ] = None,
    status: Annotated[
        Literal["classified", "rejected"] | None, typer.Option(help="Only images with this status.")
    ] = None,
    image: OnlyImage = None,
    uncertain: OnlyUncertain = False,
    final: Annotated[
        bool,
        typer.Option("--final", help="One row for each image of the batch: the last, if several models classified it."),
    ] = False,
    truth: Annotated[
        bool, typer.Option("--truth", help="Show accuracy; the folder an image lies in is its true class.")
    ] = False,
    limit: Limit = None,
    after: Annotated[
        str | None, typer.Option("--after", help="Go on from the cursor that --limit printed.", metavar="CURSOR")
    ] = None,
    form: Annotated[Literal["table", "json", "csv"], typer.Option("--format", help="How to print them.")] = "table",
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Show results by batch, label, probability or image; a table without any of these shows 50 at most."""
    from podium.batches.results import RowFilter, find, found_after
    from podium.batches.unknown import unknown_name
    from podium.connection import Connection
    from podium.errors import EXIT_USAGE, ConsoleError
    from podium.shown.results import show_rows

    form = "json" if as_json else form
    if final and not (batch or image):
        raise ConsoleError("--final needs a batch's name, or --image.", EXIT_USAGE)
    whole = form != "table" or any([batch, label, image, status, uncertain])  # a program gets every row
    row_filter = RowFilter(
        batch=batch, label=label, min_probability=min_probability, status=status, image=image,
        uncertain=uncertain, final=final, limit=limit or (None if whole else ROWS),
    )  # fmt: skip
    connection = Connection(stack)
    if final and after:
        raise ConsoleError("--final reads every row of a batch, and has no cursor: leave out --after.", EXIT_USAGE)
    by_page = after or (limit and not final and image is None and any([batch, label, uncertain, status == "rejected"]))
    found = found_after(connection, row_filter, limit or ROWS, after) if by_page else find(connection, row_filter)
    if not found.rows and (sentence := unknown_name(connection, row_filter)):
        raise ConsoleError(sentence)
    show_rows(found, form, truth=truth)
