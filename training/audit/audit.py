"""The audit of a data set, from its files to an audit folder.

find -> measure every file once, and its features if labels are checked -> compare -> report, page, lists
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
from training.audit.files import NO_SPLIT, AuditedData, find_files
from training.audit.labels import WHERE_WEIGHTS, Features, check_labels
from training.audit.measuring import PhotoFacts, measure_all
from training.audit.outliers import find_outliers
from training.audit.records import AuditReport, ClassCount, Formats, LabelCheck, Unreadable
from training.data.audited import spelled
from training.evaluation.forward import cores
from training.evaluation.machine import machine_in_words

OnProgress = Callable[[str, int, int], None]  # what, done, total
SPLITS = ("train", "validation", "test", NO_SPLIT)


@dataclass(frozen=True)
class Audit:
    """A report, and the whole path of each file that it names."""

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
    """Measure every file of a data set and report what is wrong; nothing is written.

    Labels are checked if `pretrained` gives weights: `hub`, or a file that fits `model`. Raises WrongInput if there is
    no data, no such split.csv or no such network, before a photo is read.
    """
    found = find_files(data, split)
    features = Features(model, pretrained) if labels and pretrained != "none" else None
    clock = _Clock()
    with clock.of("reading"):
        photos, unreadable = _measured(found, features, threads, on_progress)
    with clock.of("duplicates"):
        duplicates = find_duplicates(photos)
    with clock.of("labels"):
        checked = _labels(labels, features, photos, duplicates, on_progress)
    limits, outliers = find_outliers(photos)
    report = AuditReport(
        data=spelled(data), split=found.split, images=len(found.files), classes=_classes(found), imbalance=_imbalance(found),
        unreadable=tuple(unreadable), formats=_formats(photos), pairs=duplicates.pairs, groups=duplicates.groups,
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


def _measured(
    found: AuditedData, features: Features | None, threads: int | None, on_progress: OnProgress
) -> tuple[list[PhotoFacts], list[Unreadable]]:
    photos: list[PhotoFacts] = []
    unreadable: list[Unreadable] = []
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        on_progress("reading photos", done, len(found.files))

    transform = None if features is None else features.transform
    for group in measure_all(found.files, transform, threads or cores(), count):
        for one in group:
            if isinstance(one.facts, PhotoFacts):
                photos.append(one.facts)
            else:
                unreadable.append(one.facts)
        if features is not None:
            features.show([one.pixels for one in group if one.pixels is not None])
    return photos, unreadable


def _labels(
    wanted: bool,
    features: Features | None,
    photos: Sequence[PhotoFacts],
    duplicates: Duplicates,
    on_progress: OnProgress,
) -> LabelCheck:
    if not wanted:
        return LabelCheck(skipped="Labels were not checked (--no-labels).")
    if features is None:
        return LabelCheck(skipped=f"Labels were not checked, because that needs a pretrained network. {WHERE_WEIGHTS}")
    on_progress("checking labels", 0, 1)
    checked = check_labels(features.all(), photos, duplicates.group_of, model=features.model, weights=features.weights)
    on_progress("checking labels", 1, 1)
    return checked


def _classes(found: AuditedData) -> tuple[ClassCount, ...]:
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


def _imbalance(found: AuditedData) -> float | None:
    sizes = Counter(file.label for file in found.files if file.split in ("train", NO_SPLIT))
    smallest = min(sizes[label] for label in found.classes)
    return round(max(sizes.values()) / smallest, 2) if smallest else None


def _formats(photos: Sequence[PhotoFacts]) -> Formats:
    def middle(sides: list[int]) -> int:
        return int(np.median(sides)) if sides else 0

    return Formats(
        formats=dict(Counter(one.format for one in photos).most_common()),
        modes=dict(Counter(one.mode for one in photos).most_common()),
        colourless=sum(one.colourless for one in photos),
        turned=sum(one.turned for one in photos),
        width_median=middle([one.width for one in photos]),
        height_median=middle([one.height for one in photos]),
    )
