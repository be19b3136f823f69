"""`podium render | package`: drawn photos to train on, and the archive that a model server can serve."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from podium.errors import EXIT_FAILED, EXIT_PREEMPTED, EXIT_USAGE, ConsoleError

if TYPE_CHECKING:
    from podium.shown.progress import OnCount
    from training.practice_set import Drawn, Split

LEAST_AGREEMENT = 0.99  # of int8 with fp32, where nobody asks for another gate
Engine = Literal["auto", "all", "torch", "torch-compiled", "openvino", "aotinductor"]
Precision = Literal["auto", "fp32", "bf16", "int8"]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Image = Annotated[int, typer.Option("--image-size", min=16, max=1024, help="Side of the model's input, in pixels.")]


def package(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.", metavar="RUN")],
    name: Annotated[str, typer.Option(help="The model's name, as it will be called behind the server.")] = "classifier",
    version: Annotated[str, typer.Option(help="Numbers with dots.")] = "1.0",
    out: Annotated[
        Path | None, typer.Option(help="The folder to write NAME.mar to.", show_default=".podium/models")
    ] = None,
    engine: Annotated[
        Engine,
        typer.Option(
            help="What computes behind the server; auto: OpenVINO, or AOTInductor where there is a GPU; all: both, for "
            "servers with a GPU and without."
        ),
    ] = "auto",
    precision: Annotated[
        Precision, typer.Option(help="auto: as fast as the engine can at unchanged accuracy; int8 must pass a gate.")
    ] = "auto",
    least_agreement: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="int8's gate: the share of validation photos that it must classify as fp32 does.",
            show_default=str(LEAST_AGREEMENT),
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Pack a finished run as NAME.mar, for TorchServe."""
    from inference.archive.digest import content_sha256
    from podium.archives import read_archive
    from podium.shown import results as present

    if least_agreement is not None and precision != "int8":
        raise ConsoleError(
            f"--least-agreement {least_agreement:g} is int8's gate: add --precision int8, or leave it out.", EXIT_USAGE
        )
    archive = package_run(
        run, name=name, version=version, out=out, engine=engine, precision=precision,
        least_agreement=LEAST_AGREEMENT if least_agreement is None else least_agreement,
    )  # fmt: skip
    facts = {"archive": str(archive), "name": name, "version": version, "content_sha256": content_sha256(archive)}
    engines = read_archive(archive).engines
    if as_json:
        told = [packed.model_dump(mode="json") for packed in engines]
        present.print_json({**facts, "size_bytes": archive.stat().st_size, "engines": told})
    else:
        size_mb = archive.stat().st_size / 1e6
        present.answer.print(f"{archive} ({size_mb:.1f} MB) holds {name}@{version}", soft_wrap=True, markup=False)
        present.answer.print(f"content sha256 {facts['content_sha256']}", soft_wrap=True, markup=False)
        for packed in engines:
            present.answer.print(f"engine {packed}", soft_wrap=True, markup=False)
    present.notes.print(f"next: podium up --archive {archive}", soft_wrap=True, markup=False)


def render(
    folder: Annotated[Path, typer.Argument(help="The folder to write.", metavar="FOLDER")],
    images_per_class: Annotated[
        int, typer.Option(min=1, help="For training; a fifth as many to validate, as many again that are unseen.")
    ] = 140,
    image_size: Image = 128,
    seed: Annotated[int, typer.Option(min=0, help="Number of the first picture; others give other pictures.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Draw a data set: fifteen kinds of sports balls, without a download."""
    from podium.shown import results as present
    from podium.shown.progress import counting

    fewer = max(1, images_per_class // 5)
    counts: dict[Split, int] = {"train": images_per_class, "validation": fewer, "unseen": fewer}
    began = time.monotonic()
    with counting() as count_up, foreseen():
        from training.practice_set import render_dataset

        drawn = 0
        for split, count in counts.items():
            paths = render_dataset(
                folder, split=split, images_per_class=count, first_seed=seed, size_px=image_size,
                on_image=drawing(count_up, split),
            )  # fmt: skip
            drawn += len(paths)
    seconds = round(time.monotonic() - began, 1)
    if as_json:
        present.print_json({"folder": str(folder), "images": drawn, "per_class": counts, "seconds": seconds})
    else:
        present.answer.print(f"{folder} holds {drawn} pictures, after {seconds:g} s", soft_wrap=True, markup=False)
    present.notes.print(f"next: podium train {folder}", soft_wrap=True, markup=False)


def register(app: typer.Typer) -> None:
    """Add these commands to the console."""
    for command in (package, render):
        app.command()(command)


def package_run(
    run: Path, *, name: str, version: str, out: Path | None = None, engine: Engine = "auto",
    precision: Precision = "auto", least_agreement: float = LEAST_AGREEMENT,
) -> Path:  # fmt: skip
    """The archive of a finished run, with the handler, the shared reader of images and the models that timm lacks."""
    from podium.project import MODELS, ROOT

    server = ROOT / "model_server"
    with foreseen():
        from training.packaging.package import package as pack

        return pack(
            run, name=name, version=version, export_dir=out or MODELS, handler=server / "handler.py",
            extra_files=[server / "serving", ROOT / "inference"],
            config_file=server / "model-config.yaml", engine=engine, precision=precision,
            least_agreement=least_agreement,
        )  # fmt: skip


def drawing(count: OnCount, what: str) -> Callable[[Drawn], None]:
    """What the drawing of pictures reports to."""
    return lambda at: count(f"drawing {what}", at.done, at.total)


@contextmanager
def foreseen() -> Iterator[None]:
    """Training's own errors become the console's: one line, exit code 2 where the input was wrong, 75 after a request to stop."""
    from training.errors import Preempted, TrainingError, WrongInput

    try:
        yield
    except TrainingError as error:
        code = (
            EXIT_USAGE
            if isinstance(error, WrongInput)
            else EXIT_PREEMPTED
            if isinstance(error, Preempted)
            else EXIT_FAILED
        )
        raise ConsoleError(" ".join(str(error).split()), code) from error
