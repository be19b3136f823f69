"""`podium audit`: duplicates, leaks, broken files and wrong labels of a data set, before a model is trained on it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from podium.commands.options import AsJson
from podium.errors import EXIT_FAILED, EXIT_USAGE, ConsoleError, foreseen
from podium.shown.audit import MEANS, show_audit

if TYPE_CHECKING:
    from training.audit.records import AuditReport, Kind

NETWORK = "mobilenetv3_small_100"  # without --model


def audit(
    data: Annotated[
        str,
        typer.Argument(
            help="A folder of class folders, a CSV or JSONL manifest, s3://bucket/prefix, or torchvision's name.",
            metavar="DATA",
        ),
    ],
    split: Annotated[
        Path | None, typer.Option(help="A run's split.csv: audit its photos, in its splits.", metavar="FILE")
    ] = None,
    pretrained: Annotated[
        str, typer.Option(help="Weights that check labels: none, hub, or a file that fits --model.", metavar="WEIGHTS")
    ] = "none",
    model: Annotated[
        str | None,
        typer.Option(help="The network that --pretrained fits, by timm's name.", metavar="NAME", show_default=NETWORK),
    ] = None,
    labels: Annotated[bool, typer.Option("--labels/--no-labels", help="Look for wrong labels.")] = True,
    threads: Annotated[
        int | None, typer.Option(min=1, help="How many threads read files.", metavar="N", show_default="cores")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The folder to write.", metavar="FOLDER", show_default="audits/NAME-TIME")
    ] = None,
    fail_on: Annotated[
        str,
        typer.Option(
            help=f"End with exit code 1 on any of these, separated by commas: {', '.join(MEANS)}.", metavar="KINDS"
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Find duplicates, leaks, broken files, odd pictures and wrong labels in a data set."""
    from podium.shown.progress import counting

    fatal = _kinds(fail_on)
    _check_label_options(fatal, model=model, pretrained=pretrained, labels=labels)
    folder = out or _new_folder(data)
    with foreseen(), counting() as count:
        from training.audit.audit import audit as audit_photos
        from training.audit.folder import write_audit

        found = audit_photos(
            data, split=split, labels=labels, model=model or NETWORK, pretrained=pretrained, threads=threads,
            command=shlex.join(["podium", *sys.argv[1:]]), on_progress=count,
        )  # fmt: skip
        write_audit(found, folder)
    own_splits = split is None and found.report.split != "none yet"
    show_audit(found.report, folder, own_splits=own_splits, as_json=as_json)
    _check_findings(found.report, fatal, fail_on, folder)


def _kinds(words: str) -> Sequence[Kind]:
    known = {kind: kind for kind in MEANS}
    given = [word.strip() for word in words.split(",") if word.strip()]
    for word in given:
        if word not in known:
            raise ConsoleError(f"--fail-on {word!r}: use {', '.join(MEANS)}, with commas.", EXIT_USAGE)
    return [known[word] for word in given if word in known]


def _check_label_options(fatal: Sequence[Kind], *, model: str | None, pretrained: str, labels: bool) -> None:
    """ConsoleError for options without effect, and for --fail-on label without a check of labels."""
    if pretrained == "none" and model is not None:
        raise ConsoleError(
            f"--model {model} checks labels only with weights: add --pretrained hub or --pretrained FILE.", EXIT_USAGE
        )
    if pretrained != "none" and not labels:
        raise ConsoleError(
            f"--pretrained {pretrained} and --no-labels exclude each other: weights only check labels.", EXIT_USAGE
        )
    if "label" in fatal and pretrained == "none":
        raise ConsoleError(
            "--fail-on label: no label is checked without weights. Add --pretrained hub, or --pretrained FILE --model NAME.",
            EXIT_USAGE,
        )


def _check_findings(report: AuditReport, fatal: Sequence[Kind], fail_on: str, folder: Path) -> None:
    """ConsoleError (exit code 1) when there is a finding of a fatal kind."""
    if "label" in fatal and report.labels.skipped:
        raise ConsoleError(
            f"{report.data}: no label was checked (--fail-on {fail_on}). {report.labels.skipped}", EXIT_FAILED
        )
    if found := [f"{report.counts()[kind]} {kind}" for kind in fatal if report.counts()[kind]]:
        raise ConsoleError(
            f"{report.data}: {', '.join(found)} (--fail-on {fail_on}). See {folder / 'issues.csv'}.", EXIT_FAILED
        )


def _new_folder(data: str) -> Path:
    name = Path(data.rstrip("/")).resolve().name.removesuffix(".csv").removesuffix(".jsonl")
    return Path("audits") / f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
