"""The audit of a data set, from its files to an audit folder.

find -> look at every file once, with a network's eyes where labels are checked -> compare -> report, page, list
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from training.audit.duplicates import Duplicates, find_duplicates
from training.audit.found import NO_SPLIT, Found, find_files
from training.audit.labels import WHERE_WEIGHTS, Features, check_labels
from training.audit.looking import Seen, look_at_all
from training.audit.outliers import find_outliers
from training.audit.records import AuditReport, ClassCount, Formats, LabelCheck, Unreadable
from training.data.audited import spelled
from training.evaluation.forward import cores
from training.evaluation.machine import machine_in_words

OnProgress = Callable[[str, int, int], None]  # what, done, total
SPLITS = ("train", "validation", "test", NO_SPLIT)


@dataclass(frozen=True)
class Audit:
    """A report, and where each file that it names lies."""

    report: AuditReport
    paths: dict[str, Path]


def audit(
    data: str,
    *,
    split: Path | None = None,
    labels: bool = True,
    model: str = "mobilenetv3_small_100",
    pretrained: str = "none",
    threads: int | None = None,
    command: str = "",
    on_progress: OnProgress = lambda *_: None,
) -> Audit:
    """Look at every file of a data set and say what is wrong with it; nothing is written.

    Labels are checked where `pretrained` gives weights: `hub`, or a file that fits `model`. Raises WrongInput where
    there is no data, no such split.csv or no such network, before a photo is read.
    """
    found = find_files(data, split)
    features = Features(model, pretrained) if labels and pretrained != "none" else None
    clock = _Clock()
    with clock.of("reading"):
        seen, unreadable = _look(found, features, threads, on_progress)
    with clock.of("duplicates"):
        duplicates = find_duplicates(seen)
    with clock.of("labels"):
        checked = _labels(labels, features, seen, duplicates, on_progress)
    limits, outliers = find_outliers(seen)
    report = AuditReport(
        data=spelled(data), split=found.split, images=len(found.files), classes=_classes(found), imbalance=_imbalance(found),
        unreadable=tuple(unreadable), formats=_formats(seen), pairs=duplicates.pairs, groups=duplicates.groups,
        limits=limits, outliers=outliers, labels=checked, seconds=clock.seconds,
        machine=machine_in_words("cpu" if features is None else features.device.type), command=spelled(command), audited_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip
    return Audit(report, {file.relative: file.path for file in found.files})


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[what] = round(time.monotonic() - began, 2)


def _look(
    found: Found, features: Features | None, threads: int | None, on_progress: OnProgress
) -> tuple[list[Seen], list[Unreadable]]:
    seen: list[Seen] = []
    unreadable: list[Unreadable] = []
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        on_progress("reading photos", done, len(found.files))

    transform = None if features is None else features.transform
    for group in look_at_all(found.files, transform, threads or cores(), count):
        for looked in group:
            if isinstance(looked.seen, Seen):
                seen.append(looked.seen)
            else:
                unreadable.append(looked.seen)
        if features is not None:
            features.show([looked.pixels for looked in group if looked.pixels is not None])
    return seen, unreadable


def _labels(
    wanted: bool, features: Features | None, seen: Sequence[Seen], duplicates: Duplicates, on_progress: OnProgress
) -> LabelCheck:
    if not wanted:
        return LabelCheck(skipped="Labels were not checked, as asked.")
    if features is None:
        return LabelCheck(skipped=f"Labels were not checked: that takes a pretrained network. {WHERE_WEIGHTS}")
    on_progress("checking labels", 0, 1)
    checked = check_labels(features.all(), seen, duplicates.group_of, model=features.model)
    on_progress("checking labels", 1, 1)
    return checked


def _classes(found: Found) -> tuple[ClassCount, ...]:
    counts = Counter((file.label, file.split) for file in found.files)
    splits = [split for split in SPLITS if any(file.split == split for file in found.files)]
    return tuple(
        ClassCount(
            label=label,
            images=sum(counts[label, split] for split in splits),
            of={split: counts[label, split] for split in splits},
        )
        for label in found.classes
    )


def _imbalance(found: Found) -> float | None:
    sizes = Counter(file.label for file in found.files if file.split in ("train", NO_SPLIT))
    smallest = min(sizes[label] for label in found.classes)
    return round(max(sizes.values()) / smallest, 2) if smallest else None


def _formats(seen: Sequence[Seen]) -> Formats:
    def middle(sides: list[int]) -> int:
        return int(np.median(sides)) if sides else 0

    return Formats(
        formats=dict(Counter(one.format for one in seen).most_common()),
        modes=dict(Counter(one.mode for one in seen).most_common()),
        colourless=sum(one.colourless for one in seen),
        turned=sum(one.turned for one in seen),
        width_median=middle([one.width for one in seen]),
        height_median=middle([one.height for one in seen]),
    )
