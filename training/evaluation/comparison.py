"""What a comparison finds: the record that `podium compare --json` prints and that the comparison's page is drawn from."""

from __future__ import annotations

from training.evaluation.records import Interval
from training.model.model_file import Part


class ComparedRun(Part):
    """One of the runs, on the photos that all of them have judged."""

    run: str
    name: str  # the folder's, or the whole path where two are called the same
    architecture: str
    weights_sha256: str
    images: int  # photos that it has judged, common or not
    top1: Interval


class ClassDifference(Part):
    """Share of one class's common photos that either run got right."""

    label: str
    images: int
    a: float
    b: float


class Pair(Part):
    """Two runs, photo by photo."""

    a: str
    b: str
    both: int
    only_a: int
    only_b: int
    neither: int
    difference: Interval  # top-1 of b less that of a, with the interval of paired shares (Bonett and Price 2012)
    p: float  # McNemar's test, exact, mid-p
    p_holm: float  # the same, corrected for the number of pairs; equal where there is one
    better: str | None  # None: these photos show no difference
    sentence: str
    classes: tuple[ClassDifference, ...]  # greatest difference first


class Comparison(Part):
    """Two or more runs on the photos that all have judged."""

    schema_version: str = "1.0"
    split: str
    images: int  # common photos
    runs: tuple[ComparedRun, ...]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]
    machine: str
    compared_at: str
