"""`podium demo`: everything once, on this machine.

deploy -> draw and train -> package -> serve -> drop, watch and show unseen images
"""

from __future__ import annotations

import time
from typing import Annotated

import typer

from podium.errors import EXIT_INTERRUPTED, EXIT_PREEMPTED, ConsoleError, foreseen


def demo(
    server: Annotated[
        bool, typer.Option("--server/--no-server", help="TorchServe serves the model, or the function itself holds it.")
    ] = True,
) -> None:
    """Show everything once: train on drawn sports balls, serve, classify 60 unseen images."""
    from podium.archives import package_run, read_archive
    from podium.batches.drop import plan_uploads
    from podium.batches.results import RowFilter, find
    from podium.connection import Connection
    from podium.local import demo
    from podium.local.privacy import root_sentence
    from podium.local.stack import deploy, hold_in_function, serve, start_emulator
    from podium.shown.batch import show_drop, show_watch
    from podium.shown.console import notes, print_note
    from podium.shown.progress import counting, drawing, section, step
    from podium.shown.results import show_rows
    from podium.shown.stack import farewell
    from podium.shown.training import training_bar
    from training.demo import draw_demo, draw_unseen

    began = time.monotonic()
    if sentence := root_sentence():
        print_note(sentence, style="yellow")
    with step("1/5 deploy template.yaml to an embedded AWS on this machine") as note:
        stack = start_emulator(note)
        if not server:
            stack = hold_in_function(stack, None)
        deploy(stack, demo.MODEL, note)
    if not demo.is_trained():
        with section("2/5 draw sports balls and train a small model on them, from scratch"):
            with counting() as count:
                draw_demo(demo.DATA, on_image=drawing(count, "pictures"))
            try:
                with foreseen(), training_bar() as on_progress:
                    demo.train(on_progress)
            except ConsoleError as error:
                if error.exit_code != EXIT_PREEMPTED:
                    raise
                raise ConsoleError("interrupted. `podium demo` trains anew.", EXIT_INTERRUPTED) from error
    if not demo.ARCHIVE.exists():
        with step("3/5 package the model as a TorchServe archive"):
            package_run(demo.RUN, name=demo.MODEL.name, version=demo.MODEL.version)
    with step("4/5 start TorchServe with it" if server else "4/5 give it to the classify function") as note:
        stack = serve(stack, demo.ARCHIVE, note) if server else hold_in_function(stack, demo.ARCHIVE)
        deploy(stack, read_archive(demo.ARCHIVE), note)
    with step(f"5/5 drop 60 images that the model never saw as batch {demo.BATCH!r}"):
        draw_unseen(demo.FOLDER, images_per_class=demo.UNSEEN_PER_CLASS)
    connection = Connection(None)
    show_drop(connection, plan_uploads([demo.UNSEEN], demo.BATCH))
    show_watch(connection, demo.BATCH, timeout_s=demo.TIMEOUT_S)
    notes.print()
    show_rows(find(connection, RowFilter(batch=demo.BATCH)), truth=True)
    goodbye = farewell(connection.facts, demo.BATCH, demo.UNSEEN / "golf ball", time.monotonic() - began)
    notes.print(goodbye, soft_wrap=True)
