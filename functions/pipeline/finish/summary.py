"""What a complete batch leaves behind: a table of all its images, and its figures. The same outcomes give the same bytes."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TextIO, get_args

from pipeline.batches.outcomes import Outcome
from pipeline.contracts import BatchSummary, RejectionCode, stamp
from pipeline.harmless import harmless_cell

STEPS = 3
COLUMNS = (
    "image", "key", "status",
    *(f"{name}{rank}" for rank in range(1, STEPS + 1) for name in ("label", "probability")),
    "uncertain", "rejected_code", "rejected_reason", "model", "classified_at",
)  # fmt: skip
_CODES: dict[str, RejectionCode] = {code: code for code in get_args(RejectionCode)}


def write_table(outcomes: Mapping[str, Outcome], file: TextIO, *, header: bool = True) -> None:
    """CSV, one line per image, in the order of the images' names; what does not apply is empty.

    Names are harmless in a terminal and in a spreadsheet; the images' JSON results have them exactly.
    """
    writer = csv.writer(file, lineterminator="\n")
    if header:
        writer.writerow(COLUMNS)
    writer.writerows(map(harmless_cell, _cells(image, outcomes[image])) for image in sorted(outcomes))


def summary_of(batch: str, revision: str, outcomes: Iterable[Outcome], *, results_key: str) -> BatchSummary:
    """The batch in figures; what is most frequent comes first."""
    every = list(outcomes)
    moments = [it.classified_at for it in every]
    return BatchSummary(
        batch=batch,
        revision=revision,
        total=len(every),
        classified=sum(it.status == "classified" for it in every),
        rejected=sum(it.status == "rejected" for it in every),
        uncertain=sum(it.uncertain is not None for it in every),
        labels=most_frequent_first(Counter(it.steps[0][0] for it in every if it.steps)),
        # A code that only a newer function knows is counted under `rejected` alone.
        rejections=most_frequent_first(Counter(_CODES[it.rejected_code] for it in every if it.rejected_code in _CODES)),
        models=most_frequent_first(Counter(it.model for it in every)),
        first_classified_at=min(moments, default=None),
        last_classified_at=max(moments, default=None),
        results_key=results_key,
    )


def most_frequent_first[Name: str](counts: Counter[Name]) -> dict[Name, int]:
    """The counts, the greatest first."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _cells(image: str, outcome: Outcome) -> list[object]:
    _, _, key = image.removeprefix("s3://").partition("/")
    steps = [cell for step in outcome.steps[:STEPS] for cell in step]
    return [
        *(image, key, outcome.status, *steps, *[""] * (2 * STEPS - len(steps))),
        *(outcome.uncertain, outcome.rejected_code, outcome.rejected_reason),
        *(outcome.model, stamp(outcome.classified_at)),
    ]
