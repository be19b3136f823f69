"""`podium demo`: everything once, on this machine.

deploy -> draw and train -> package -> serve -> drop, watch and show unseen images
"""

from __future__ import annotations

import time


def demo() -> None:
    """Show everything once: train on drawn sports balls, serve, classify 60 unseen images."""
    from podium.archives import read_archive
    from podium.batches.drop import plan_uploads
    from podium.batches.results import RowFilter, find
    from podium.connection import Connection
    from podium.local.demo import ARCHIVE, BATCH, MODEL, TIMEOUT_S, draw, draw_unseen, is_trained, package, train
    from podium.local.stack import deploy, serve, start_emulator
    from podium.shown.batch import show_drop, show_watch
    from podium.shown.console import notes, print_note
    from podium.shown.demo import farewell
    from podium.shown.progress import counting, drawing, section, step
    from podium.shown.results import show_rows
    from podium.shown.training import training_bar

    began = time.monotonic()
    with step("1/5 deploy template.yaml to an embedded AWS on this machine") as note:
        stack = start_emulator(note)
        deploy(stack, MODEL, note)
    if not is_trained():
        with section("2/5 draw sports balls and train a small model on them, from scratch"):
            with counting() as count:
                draw(drawing(count, "pictures"))
            with training_bar() as on_progress:
                train(on_progress)
    if not ARCHIVE.exists():
        with step("3/5 package the model as a TorchServe archive"):
            package()
    with step("4/5 start TorchServe with it") as note:
        deploy(serve(stack, ARCHIVE, note), read_archive(ARCHIVE), note)
    with step(f"5/5 drop 60 images that the model never saw as batch {BATCH!r}"):
        unseen = draw_unseen()
    connection = Connection(None)
    show_drop(connection, plan_uploads([unseen], BATCH))
    show_watch(connection, BATCH, timeout_s=TIMEOUT_S)
    notes.print()
    show_rows(find(connection, RowFilter(batch=BATCH)), truth=True)
    print_note(farewell(connection.facts, BATCH, unseen / "golf ball", time.monotonic() - began))
