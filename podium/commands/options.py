"""The options that several commands share, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from podium.errors import EXIT_USAGE, ConsoleError


def _on_aws(stack: str | None) -> str | None:
    """The name of a stack on AWS, checked before anything else is done."""
    if stack is not None:
        from podium.aws_account import check_stack_name

        check_stack_name(stack)
    return stack


AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Stack = Annotated[
    str | None,
    typer.Option("--stack", help="A stack on AWS; without it, the local one.", metavar="NAME", callback=_on_aws),
]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until every image is classified or rejected.")]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", min=1, help="Wait at most so long, then end with exit code 3.", metavar="SECONDS"),
]

# Which images.
OnlyBatch = Annotated[str | None, typer.Option("--batch", help="Only images of this batch.", metavar="NAME")]
OnlyLabel = Annotated[
    str | None, typer.Option("--label", help="Only images whose most likely class this is.", metavar="LABEL")
]
OnlyUncertain = Annotated[
    bool, typer.Option("--uncertain", help="Only images on which the model's answer is uncertain.")
]
OnlyImage = Annotated[
    str | None,
    typer.Option("--image", help="One image: s3://bucket/key, or a key of the input bucket.", metavar="IMAGE"),
]

Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many images.", metavar="N")]

# What goes on the queue.
Rate = Annotated[
    float, typer.Option("--rate", min=0.1, help="Put at most so many images a second on the queue.", metavar="RATE")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]


def _is_there[Runs: (Path, Path | None, list[Path])](runs: Runs) -> Runs:
    """The folder or folders, each of which must exist: a mistyped name is not an unfinished training."""
    for run in runs if isinstance(runs, list) else [runs]:
        if run is not None and not run.exists():
            raise ConsoleError(f"{run} does not exist. Give the folder of a run.", EXIT_USAGE)
    return runs


Run = Annotated[Path, typer.Argument(help="The folder of a finished run.", metavar="RUN", callback=_is_there)]
Runs = Annotated[
    list[Path],
    typer.Argument(help="Folders of finished runs, two or more.", metavar="RUN RUN...", callback=_is_there),
]
RunOption = Annotated[
    Path | None, typer.Option("--run", help="The folder of a finished run.", metavar="RUN", callback=_is_there)
]
Resume = Annotated[
    Path | None,
    typer.Option(
        "--resume", help="Go on with the interrupted training in this run folder.", metavar="RUN", callback=_is_there
    ),
]

# Photos on which a trained model is measured.
Split = Literal["auto", "validation", "test"]
Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="Other photos: a folder with one sub-folder per class, a CSV or JSONL manifest, or an s3:// address of either.",
        metavar="DATA",
    ),
]
