"""The record of a comparison, which `podium compare --json` prints and the comparison's page shows."""

from __future__ import annotations

from training.evaluation.records import Interval
from training.model.model_file import Part


class ComparedRun(Part):
    """One of the runs, on the photos common to all evaluations."""

    run: str
    name: str  # the folder's, or the whole path if two have the same name
    architecture: str
    weights_sha256: str
    images: int  # of its own evaluation, common or not
    top1: Interval


class ClassDifference(Part):
    """Recall of each run on one class's common photos."""

    label: str
    images: int
    a: float
    b: float


class RunPair(Part):
    """Two runs, photo by photo."""

    a: str
    b: str
    both: int
    only_a: int
    only_b: int
    neither: int
    difference: Interval  # top-1 of b minus that of a, with the interval of paired shares (Bonett and Price 2012)
    p: float  # McNemar's test, exact, mid-p
    p_holm: float  # the same, corrected for the number of pairs; equal if there is one
    better: str | None  # None: these photos show no difference
    sentence: str
    classes: tuple[ClassDifference, ...]  # greatest difference first


class Comparison(Part):
    """Two or more runs on the photos common to all evaluations."""

    schema_version: str = "1.0"
    split: str
    images: int  # common photos
    runs: tuple[ComparedRun, ...]
    pairs: tuple[RunPair, ...]
    notes: tuple[str, ...]
    machine: str
    compared_at: str
