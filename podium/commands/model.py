"""`podium render | train | package`: from photos to an archive that a model server can serve."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from podium.errors import EXIT_FAILED, EXIT_USAGE, ConsoleError

if TYPE_CHECKING:
    from rich.table import Table

    from podium.progress import OnCount
    from training.rendering import Drawn, Split
    from training.run import Progress, Run

Engine = Literal["auto", "torch", "torch-compiled", "openvino", "aotinductor"]
Precision = Literal["auto", "fp32", "bf16", "int8"]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Image = Annotated[int, typer.Option("--image-size", min=16, max=1024, help="Side of the model's input, in pixels.")]


def train(
    data: Annotated[Path, typer.Argument(help="A folder with one sub-folder of photos per class.", metavar="DATA")],
    model: Annotated[str, typer.Option(help="timm's name of the model.")] = "mobilenetv3_small_100",
    pretrained: Annotated[str, typer.Option(help="none, hub, or the path of a weights file.")] = "none",
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training photos.")] = 10,
    image_size: Image = 224,
    batch_size: Annotated[int, typer.Option(min=1, help="Photos in one step.")] = 32,
    lr: Annotated[float, typer.Option(help="Learning rate at its peak.")] = 1e-3,
    freeze_epochs: Annotated[int, typer.Option(min=0, help="First epochs in which only the head learns.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of the split, the weights and the crops.")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes that crop and flip.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Of torch, on a CPU.", show_default="cores - 1")] = None,
    run: Annotated[Path | None, typer.Option(help="The folder to write.", show_default="runs/DATA-MODEL-TIME")] = None,
    as_json: AsJson = False,
) -> None:
    """Fine-tune a model on a folder of photos."""
    from podium import present

    with _foreseen():
        from training.config import make_config
        from training.loop import train as fit

        config = make_config(
            {
                "data": data, "model": model, "pretrained": pretrained, "epochs": epochs, "image_size": image_size,
                "batch_size": batch_size, "lr": lr, "freeze_epochs": freeze_epochs, "seed": seed, "workers": workers,
                "threads": threads, "run": run or _new_run_folder(data, model),
            }
        )  # fmt: skip
        with training_bar() as on_progress:
            finished = fit(config, on_progress=on_progress)
    if as_json:
        present.print_json(_run_document(finished))
    else:
        present.answer.print(epochs_table(finished))
    for sentence in run_notes(finished):
        present.notes.print(sentence, soft_wrap=True, markup=False)
    present.notes.print(f"next: podium package {finished.folder}", soft_wrap=True, markup=False)


def package(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.", metavar="RUN")],
    name: Annotated[str, typer.Option(help="The model's name, as it will be called behind the server.")] = "classifier",
    version: Annotated[str, typer.Option(help="Numbers with dots.")] = "1.0",
    out: Annotated[
        Path | None, typer.Option(help="The folder to write NAME.mar to.", show_default=".podium/models")
    ] = None,
    engine: Annotated[
        Engine,
        typer.Option(help="What computes behind the server; auto: OpenVINO, or AOTInductor where there is a GPU."),
    ] = "auto",
    precision: Annotated[
        Precision, typer.Option(help="auto: as fast as the engine can at unchanged accuracy; int8 must pass a gate.")
    ] = "auto",
    least_agreement: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="int8's gate: the share of validation photos that it must classify as fp32 does."
        ),
    ] = 0.99,
    as_json: AsJson = False,
) -> None:
    """Pack a finished run as NAME.mar, for TorchServe."""
    from imagefile.content import content_sha256
    from podium import present
    from podium.archives import read_archive

    archive = package_run(
        run, name=name, version=version, out=out, engine=engine, precision=precision, least_agreement=least_agreement
    )
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
    from podium import present
    from podium.progress import counting

    fewer = max(1, images_per_class // 5)
    counts: dict[Split, int] = {"train": images_per_class, "validation": fewer, "unseen": fewer}
    began = time.monotonic()
    with counting() as count_up, _foreseen():
        from training.rendering import render_dataset

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
    for command in (train, package, render):
        app.command()(command)


def package_run(
    run: Path, *, name: str, version: str, out: Path | None = None, engine: Engine = "auto",
    precision: Precision = "auto", least_agreement: float = 0.99,
) -> Path:  # fmt: skip
    """The archive of a finished run, with the model server's handler and the shared reader of images in it."""
    from podium.project import MODELS, ROOT

    server = ROOT / "model_server"
    modules = sorted(path for path in server.glob("*.py") if path.name != "handler.py")
    with _foreseen():
        from training.package import package as pack

        return pack(
            run, name=name, version=version, export_dir=out or MODELS, handler=server / "handler.py",
            extra_files=[*modules, server / "engines", ROOT / "imagefile"],
            config_file=server / "model-config.yaml", engine=engine, precision=precision,
            least_agreement=least_agreement,
        )  # fmt: skip


@contextmanager
def training_bar() -> Iterator[Callable[[Progress], None]]:
    """A bar for the reading, then one per epoch, on stderr; yields what `training.loop.train` reports to."""
    from podium.progress import counting

    with counting() as count:
        yield partial(_tell_epoch, count)


def drawing(count: OnCount, what: str) -> Callable[[Drawn], None]:
    """What the drawing of pictures reports to."""
    return lambda at: count(f"drawing {what}", at.done, at.total)


def _tell_epoch(count: OnCount, now: Progress) -> None:
    name = "reading photos" if now.stage == "reading" else f"epoch {now.epoch}/{now.epochs}"
    note = "" if now.loss is None else f"{now.images_per_s:.0f} images/s, loss {now.loss:.3f}"
    if now.top1 is not None:
        note += f", top-1 {now.top1:.1%}" if now.stage == "scored" else f", top-1 before {now.top1:.1%}"
    count(name, now.step, now.steps, note)


def epochs_table(run: Run) -> Table:
    """A line for every epoch; the one whose weights were kept is green."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("epoch", "train loss", "loss", "top-1", "top-3", "images/s", "s"):
        table.add_column(column, justify="right")
    kept = max(line.epoch for line in run.epochs if line.best)
    for line in run.epochs:
        scores = (f"{line.train_loss:.3f}", f"{line.loss:.3f}", f"{line.top1:.1%}", f"{line.top3:.1%}")
        style = "green" if line.epoch == kept else None
        table.add_row(str(line.epoch), *scores, f"{line.images_per_s:.0f}", f"{line.seconds:.1f}", style=style)
    return table


def run_notes(run: Run) -> Iterator[str]:
    """What a person should know of a finished run, a sentence each."""
    from training.scoring import wilson_interval

    model, count = run.model, run.model.data.validation_images
    low, high = wilson_interval(model.metrics.top1, count)
    yield (
        f"top-1 {model.metrics.top1:.1%} (95 % interval {low:.1%} to {high:.1%}), top-3 {model.metrics.top3:.1%}"
        f" of {count} validation photos, after {run.seconds:.0f} s"
    )
    doubt = model.uncertainty
    if doubt.coverage == 0:
        yield f"no threshold makes answers {doubt.target_accuracy:.0%} right: every answer will be called uncertain."
    else:
        yield (
            f"answers under {doubt.threshold:.1%} are called uncertain: the other {doubt.coverage:.1%} are"
            f" {doubt.target_accuracy:.0%} right"
        )
    if run.set_aside:
        yield f"{run.set_aside} files could not be read and were set aside: {run.folder / 'unreadable.csv'}"


def _run_document(run: Run) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "run": str(run.folder),
        "model": run.model.model_dump(mode="json"),
        "epochs": [asdict(line) for line in run.epochs],
        "set_aside": run.set_aside,
        "seconds": round(run.seconds, 1),
    }


def _new_run_folder(data: Path, model: str) -> Path:
    return Path("runs") / f"{data.resolve().name}-{model}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"


@contextmanager
def _foreseen() -> Iterator[None]:
    """Training's own errors become the console's: one line, and exit code 2 where the person's input was wrong."""
    from training.errors import TrainingError, WrongInput

    try:
        yield
    except TrainingError as error:
        code = EXIT_USAGE if isinstance(error, WrongInput) else EXIT_FAILED
        raise ConsoleError(" ".join(str(error).split()), code) from error
