"""`podium audit`: what is wrong with a data set, before anything is trained on it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from podium.commands.model import foreseen
from podium.errors import EXIT_FAILED, EXIT_USAGE, ConsoleError

if TYPE_CHECKING:
    from rich.table import Table

    from training.audit.records import AuditReport, Kind

NETWORK = "mobilenetv3_small_100"  # where --model names no other
MOST_CLASSES = 25  # as many as a person reads; the page has them all
FIRST_FEW = 3
MEANS: dict[Kind, str] = {
    "corrupt": "files that cannot be read; a training sets them aside",
    "leak": "pictures in two splits: measured accuracy would be too good",
    "conflict": "pictures with two labels: one of them is wrong",
    "duplicate": "files with the bytes of another",
    "near_duplicate": "pictures nearly the same as another",
    "label": "labels that a frozen network does not believe: look at them",
    "outlier": "odd in size, shape, light or sharpness",
}


def audit(
    data: Annotated[
        str,
        typer.Argument(
            help="A folder of class folders, a CSV or JSONL manifest, s3://bucket/prefix, or torchvision's name.",
            metavar="DATA",
        ),
    ],
    split: Annotated[Path | None, typer.Option(help="split.csv of a run: its very photos and splits.")] = None,
    pretrained: Annotated[
        str, typer.Option(help="Weights to doubt labels with: none, hub, or the path of a file that fits --model.")
    ] = "none",
    model: Annotated[
        str | None, typer.Option(help="timm's name of the network that --pretrained fits.", show_default=NETWORK)
    ] = None,
    labels: Annotated[bool, typer.Option("--labels/--no-labels", help="Look for wrong labels.")] = True,
    threads: Annotated[int | None, typer.Option(min=1, help="That read files.", show_default="cores")] = None,
    out: Annotated[Path | None, typer.Option(help="The folder to write.", show_default="audits/NAME-TIME")] = None,
    fail_on: Annotated[
        str, typer.Option(help=f"End with exit code 1 if there is any of these, with commas: {', '.join(MEANS)}.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Look for duplicates, leaks, broken files, odd pictures and wrong labels."""
    from podium.shown import results as present
    from podium.shown.progress import counting

    fatal = _kinds(fail_on)
    _check_label_options(fatal, model=model, pretrained=pretrained, labels=labels)
    folder = out or _new_folder(data)
    with foreseen():
        from training.audit.audit import audit as look
        from training.audit.folder import write_audit

        with counting() as count:
            found = look(
                data, split=split, labels=labels, model=model or NETWORK, pretrained=pretrained, threads=threads,
                command=_command(), on_progress=count,
            )  # fmt: skip
        write_audit(found, folder)
    report = found.report
    if as_json:
        present.print_json({"folder": str(folder), "counts": report.counts(), **report.model_dump(mode="json")})
    else:
        for part in (classes_table(report), findings_table(report)):
            present.answer.print(part)
            present.answer.print()
        for line in first_few(report):
            present.answer.print(line, soft_wrap=True, markup=False)
    for sentence in audit_notes(report):
        present.notes.print(sentence, soft_wrap=True, markup=False)
    present.notes.print(
        f"look at {folder / 'audit.html'}; every finding is in {folder / 'issues.csv'}", soft_wrap=True, markup=False
    )
    for sentence in what_next(report, folder, brought=split is None and report.split != "none yet"):
        present.notes.print(sentence, soft_wrap=True, markup=False)
    if "label" in fatal and report.labels.skipped:
        raise ConsoleError(f"{data}: no label was checked (--fail-on {fail_on}). {report.labels.skipped}", EXIT_FAILED)
    if there := [f"{report.counts()[kind]} {kind}" for kind in fatal if report.counts()[kind]]:
        raise ConsoleError(
            f"{data}: {', '.join(there)} (--fail-on {fail_on}). See {folder / 'issues.csv'}.", EXIT_FAILED
        )


def register(app: typer.Typer) -> None:
    """Add this command to the console."""
    app.command()(audit)


def classes_table(report: AuditReport) -> Table:
    """Files of each class and split, the smallest classes first."""
    table = _table("class")
    splits = tuple(report.classes[0].of)
    for column in (*splits, "files") if len(splits) > 1 else ("files",):
        table.add_column(column, justify="right")
    smallest_first = sorted(report.classes, key=lambda one: (one.images, one.label))
    for one in smallest_first[:MOST_CLASSES]:
        style = "red" if not all(one.of.values()) else None
        counts = (*one.of.values(), one.images) if len(splits) > 1 else (one.images,)
        table.add_row(one.label, *map(str, counts), style=style)
    if (more := len(report.classes) - MOST_CLASSES) > 0:
        table.add_row(f"and {more} larger ones")
    return table


def findings_table(report: AuditReport) -> Table:
    """How many findings of each kind, and what they mean."""
    table = _table("finding")
    table.add_column("count", justify="right")
    table.add_column("what it is")
    for kind, count in report.counts().items():
        skipped = report.labels.skipped if kind == "label" else None
        table.add_row(kind, "-" if skipped else str(count), skipped or MEANS[kind], style=None if count else "dim")
    return table


def first_few(report: AuditReport) -> Iterator[str]:
    """The first findings of the kinds that cost accuracy, a line each."""
    from training.audit.issues import issues_of

    told: dict[Kind, int] = {}
    for issue in issues_of(report):
        told[issue.issue] = told.get(issue.issue, 0) + 1
        if issue.severity == "notice" or told[issue.issue] > FIRST_FEW:
            continue
        other = f" = {issue.other_path}" if issue.other_path else ""
        suggested = f", rather {issue.suggested}" if issue.suggested else ""
        yield f"{issue.issue}: {issue.path}{other} ({issue.given}{suggested}; {issue.note})"


def audit_notes(report: AuditReport) -> Iterator[str]:
    """What a person should know of an audit, a sentence each."""
    facts = report.formats
    rate = report.images / max(report.seconds["reading"], 0.01)
    yield f"{report.images} files in {sum(report.seconds.values()):.0f} s, {rate:.0f} a second looked at"
    if report.imbalance is None:
        yield "a class has no photo to train on: add photos, or remove its folder"
    else:
        yield f"the largest class has {report.imbalance:g} times the photos of the smallest"
    modes = ", ".join(f"{count} {mode}" for mode, count in facts.modes.items())
    yield f"colour modes: {modes}; {facts.colourless} grey ones stored in colour; {facts.turned} turned by EXIF"
    if report.split == "none yet" and report.groups:
        yield f"{len(report.groups)} pictures lie there more than once: splitting at random would put some on both sides"


def what_next(report: AuditReport, folder: Path, *, brought: bool) -> Iterator[str]:
    """How to train where pictures are nearly the same, or in two splits; `brought`: the data says itself who is where."""
    counts = report.counts()
    if counts["leak"] and brought:
        yield (
            "groups leave the data's own splits as they are: against these leaks, save the leak lines of"
            f" {folder / 'issues.csv'} as leaks.csv, its header too, and add exclude=leaks.csv"
        )
    if counts["leak"] or counts["near_duplicate"]:
        yield "next: " + shlex.join(["podium", "train", report.data, f"groups={folder / 'groups.csv'}"])


def _table(first: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, overflow="fold")
    return table


def _kinds(words: str) -> Sequence[Kind]:
    known = {kind: kind for kind in MEANS}
    given = [word.strip() for word in words.split(",") if word.strip()]
    for word in given:
        if word not in known:
            raise ConsoleError(f"--fail-on {word!r}: use {', '.join(MEANS)}, with commas.", EXIT_USAGE)
    return [known[word] for word in given if word in known]


def _check_label_options(fatal: Sequence[Kind], *, model: str | None, pretrained: str, labels: bool) -> None:
    """Words that would do nothing, or let a check pass that never ran, are wrong usage."""
    if pretrained == "none" and model is not None:
        raise ConsoleError(
            f"--model {model} doubts labels only with weights: add --pretrained hub or --pretrained FILE.", EXIT_USAGE
        )
    if pretrained != "none" and not labels:
        raise ConsoleError(
            f"--pretrained {pretrained} and --no-labels exclude each other: weights only doubt labels.", EXIT_USAGE
        )
    if "label" in fatal and pretrained == "none":
        raise ConsoleError(
            "--fail-on label: no label is checked without weights. Add --pretrained hub, or --pretrained FILE --model NAME.",
            EXIT_USAGE,
        )


def _new_folder(data: str) -> Path:
    name = Path(data.rstrip("/")).resolve().name.removesuffix(".csv").removesuffix(".jsonl")
    return Path("audits") / f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"


def _command() -> str:
    import sys

    return shlex.join(["podium", *sys.argv[1:]])
