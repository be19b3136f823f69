"""The record of an evaluation, `evaluation.json`, which the report and `podium compare` read."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from training.model.model_file import Part
from training.settings.config import Claim

EVALUATION_FILE = "evaluation.json"


class Interval(Part):
    """A headline figure and its 95 % confidence interval."""

    value: float
    low: float
    high: float


class ClassScores(Part):
    """One class against all others; figures are None if it has no photo, or if all photos are its own."""

    label: str
    images: int
    predicted: int  # photos for which the model names this class
    precision: float | None
    recall: float | None
    f1: float | None
    roc_auc: float | None
    average_precision: float | None


class Bin(Part):
    """One bar of a reliability diagram: answers whose best probability lies in (low, high]."""

    low: float
    high: float
    images: int
    confidence: float | None  # mean best probability
    accuracy: float | None


class Calibration(Part):
    """How far probabilities can be trusted, at one temperature."""

    temperature: float
    loss: float  # cross-entropy in nats
    ece: float  # expected calibration error, 15 bins of equal width
    brier: float  # multi-class: squared distance to the one-hot label, 0 to 2
    bins: tuple[Bin, ...]


class ClaimMeasured(Part):
    """The claim of a recipe's source beside the measured figure; `met` compares the measured value itself."""

    claim: Claim
    measured: Interval
    met: bool

    @property
    def open(self) -> bool:
        """Whether the claim lies in the interval: these photos cannot tell it from the measured figure."""
        return self.measured.low <= self.claim.value <= self.measured.high


class Speed(Part):
    """Photos per second with decoding, and milliseconds of one photo's forward pass alone."""

    images_per_s: float
    forward_ms_p50: float
    forward_ms_p99: float
    device: str
    threads: int


class Evaluation(Part):
    """A model on one split."""

    schema_version: str = "1.0"
    run: str
    architecture: str
    split: str  # train, validation, test, or the place of a person's photos: a whole path, or an s3:// address
    data_fingerprint: str
    weights_sha256: str
    images: int
    set_aside: int  # files that cannot be read
    learnt: int  # of these photos, by their bytes, that the model has learnt from
    top1: Interval
    top3: Interval
    loss: Interval
    macro_precision: Interval
    macro_recall: Interval
    macro_f1: Interval
    weighted_precision: float
    weighted_recall: float
    weighted_f1: float
    macro_roc_auc: float | None
    classes: tuple[ClassScores, ...]
    confusion: tuple[tuple[int, ...], ...]  # rows: the true class; columns: the predicted one
    plain: Calibration  # at temperature 1
    calibrated: Calibration  # at the model's temperature, chosen on validation photos
    claim: ClaimMeasured | None  # None also for photos outside the validation and test split
    speed: Speed
    machine: str
    command: str
    evaluated_at: str
    earlier: tuple[str, ...] = ()  # when the same weights were evaluated on the test split before
    notes: tuple[str, ...] = ()  # what a reader should know, a sentence each


def read_evaluation_in(folder: Path) -> Evaluation | None:
    """The evaluation in RUN/evaluation/SPLIT; None if there is none that can be read: `podium evaluate` writes it anew."""
    try:
        return Evaluation.model_validate_json((folder / EVALUATION_FILE).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValidationError):
        return None
