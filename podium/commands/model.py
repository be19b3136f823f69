"""`podium render | package`: drawn photos to train on, and a trained model as an archive for the model server."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from podium.commands.options import AsJson, Run
from podium.errors import EXIT_USAGE, ConsoleError, foreseen

if TYPE_CHECKING:
    from training.practice_set import Split


def package(
    run: Run,
    name: Annotated[str, typer.Option(help="The model's name on the server.", metavar="NAME")] = "classifier",
    version: Annotated[str, typer.Option(help="The model's version: numbers with dots.", metavar="VERSION")] = "1.0",
    out: Annotated[
        Path | None,
        typer.Option(help="The folder to write NAME.mar to.", metavar="FOLDER", show_default=".podium/models"),
    ] = None,
    engine: Annotated[
        Literal["auto", "all", "torch", "torch-compiled", "openvino", "aotinductor"],
        typer.Option(
            help="The inference runtime. auto: OpenVINO, or AOTInductor if this machine has a GPU. all: both, for "
            "servers with and without a GPU."
        ),
    ] = "auto",
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "int8"],
        typer.Option(help="auto: the fastest of the engine at unchanged accuracy. int8 must pass a gate."),
    ] = "auto",
    least_agreement: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="SHARE",
            help="int8's gate: the share of validation photos that it must classify as fp32 does.",
            show_default="0.99",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Pack a finished run as NAME.mar, for TorchServe."""
    from podium.archives import package_run
    from podium.project import MODELS
    from podium.shown.archive import show_archive
    from podium.shown.console import print_next, print_note
    from podium.shown.progress import waiting

    if least_agreement is not None and precision != "int8":
        raise ConsoleError(
            f"--least-agreement {least_agreement:g} is int8's gate: add --precision int8, or leave it out.", EXIT_USAGE
        )
    notes: list[str] = []
    with waiting("packaging") as note:
        archive = package_run(
            run, name=name, version=version, out=out or MODELS, engine=engine, precision=precision,
            least_agreement=least_agreement, on_step=note, on_note=notes.append,
        )  # fmt: skip
    for sentence in notes:
        print_note(f"note: {sentence}")
    show_archive(archive, as_json=as_json)
    print_next("up", "--archive", archive)


def render(
    folder: Annotated[Path, typer.Argument(help="The folder to write.", metavar="FOLDER")],
    images_per_class: Annotated[
        int,
        typer.Option(
            min=1, help="Pictures to train on; a fifth as many to validate, and as many unseen ones.", metavar="N"
        ),
    ] = 140,
    image_size: Annotated[
        int, typer.Option("--image-size", min=16, max=1024, help="Width and height.", metavar="PIXELS")
    ] = 128,
    seed: Annotated[int, typer.Option(min=0, help="Another number draws other pictures.", metavar="N")] = 0,
    as_json: AsJson = False,
) -> None:
    """Draw a data set: fifteen kinds of sports balls, without a download."""
    from podium.shown.console import print_json, print_line, print_next
    from podium.shown.progress import counting, drawing

    fewer = max(1, images_per_class // 5)
    counts: dict[Split, int] = {"train": images_per_class, "validation": fewer, "unseen": fewer}
    began, drawn = time.monotonic(), 0
    with counting() as count_up, foreseen():
        from training.practice_set import render_dataset

        for split, count in counts.items():
            drawn += len(
                render_dataset(
                    folder, split=split, images_per_class=count, first_seed=seed, size_px=image_size,
                    on_image=drawing(count_up, split),
                )
            )  # fmt: skip
    seconds = round(time.monotonic() - began, 1)
    if as_json:
        print_json({"folder": str(folder), "images": drawn, "per_class": counts, "seconds": seconds})
    else:
        print_line(f"{folder} holds {drawn} pictures, after {seconds:g} s")
    print_next("train", folder)
