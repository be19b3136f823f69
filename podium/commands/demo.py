"""`podium demo`: everything once, on this machine: deploy, draw, train, package, serve, drop, watch, read."""

from __future__ import annotations

import os
import shlex
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from podium.connection import StackFacts
    from podium.project import LocalStack

BATCH = "demo"
MODEL_NAME = "balls"
MODEL_VERSION = "1.0"
UNSEEN_PER_CLASS = 4  # of 15 classes: 60 images


def demo() -> None:
    """Show the whole thing: train on drawn sports balls, serve, classify 60 unseen images."""
    from podium.batches.drop import plan_uploads
    from podium.commands.batch import Format, show_progress, show_results, upload_all
    from podium.connection import Connection
    from podium.shown import results as present

    began = time.monotonic()
    stack = _deploy()
    archive = _train_and_package()
    stack = _serve(stack, archive)
    uploads = plan_uploads([_draw_unseen()], BATCH)
    connection = Connection(None)
    upload_all(connection, uploads)
    show_progress(connection, BATCH, timeout_s=300)
    present.notes.print()
    show_results(connection, BATCH, Format.TABLE, truth=True)
    present.notes.print(_farewell(connection.facts, time.monotonic() - began), soft_wrap=True, markup=False)


def _farewell(facts: StackFacts, seconds: float) -> str:
    photos = shlex.quote(os.path.relpath(_home() / "unseen" / "golf ball"))
    return (
        f"\nDone in {seconds:.0f} s. Everything keeps running:\n"
        f"  results as JSON  s3://{facts.results_bucket}/results/incoming/{BATCH}/\n"
        f"  rows             table {facts.table} at {facts.endpoint_url}\n"
        f"  model            {facts.model} at {facts.model_server_url}\n"
        "\nTry next:\n"
        '  .venv/bin/podium results --label "tennis ball" --min 0.5\n'
        f"  .venv/bin/podium drop {photos} --batch mine --wait\n"
        "  .venv/bin/podium down"
    )


def _deploy() -> LocalStack:
    from podium.archives import ArchivedModel
    from podium.local import stack as local
    from podium.shown.progress import step

    with step("1/5 deploy template.yaml to an embedded AWS on this machine") as note:
        stack = local.start_emulator(note)
        local.deploy(stack, ArchivedModel(name=MODEL_NAME, version=MODEL_VERSION, classes=()), note)
    return stack


def _train_and_package() -> Path:
    from podium.commands.model import package_run
    from podium.project import MODELS
    from podium.shown.progress import section, step

    archive, run = MODELS / f"{MODEL_NAME}.mar", _home() / "run"
    if not (run / "model.json").exists():  # the last file of a finished run
        with section("2/5 draw sports balls and train a small model on them, from scratch"):
            shutil.rmtree(run, ignore_errors=True)
            _train(run)
        archive.unlink(missing_ok=True)
    if not archive.exists():
        with step("3/5 package the model as a TorchServe archive"):
            package_run(run, name=MODEL_NAME, version=MODEL_VERSION)
    return archive


def _train(run: Path) -> None:
    from podium.commands.model import drawing
    from podium.commands.training import training_bar
    from podium.shown.progress import counting
    from training.demo import DEMO, draw_demo
    from training.fine_tune import train

    data = _home() / "balls"
    with counting() as count:
        draw_demo(data, on_image=drawing(count, "pictures"))
    with training_bar() as on_progress:
        train(DEMO.model_copy(update={"data": str(data), "run": run}), on_progress=on_progress)


def _serve(stack: LocalStack, archive: Path) -> LocalStack:
    from podium.archives import read_archive
    from podium.local import stack as local
    from podium.shown.progress import step

    with step("4/5 start TorchServe with it") as note:
        served = local.serve(stack, archive, note)
        local.deploy(served, read_archive(archive), note)
    return served


def _draw_unseen() -> Path:
    from podium.shown.progress import step
    from training.demo import draw_unseen

    with step(f"5/5 drop 60 images that the model never saw as batch {BATCH!r}"):
        draw_unseen(_home(), images_per_class=UNSEEN_PER_CLASS)
    return _home() / "unseen"


def _home() -> Path:
    from podium.project import HOME

    return HOME / "demo"


def register(app: typer.Typer) -> None:
    """Add this command to the console."""
    app.command()(demo)
