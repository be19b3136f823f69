"""The record of an audit, `audit.json`, in the order in which a person reads it."""

from __future__ import annotations

from typing import Literal, get_args

from training.model.model_file import Part

OutlierKind = Literal["small", "large", "narrow", "wide", "dark", "bright", "one_colour", "blurred"]
Kind = Literal["corrupt", "leak", "conflict", "duplicate", "near_duplicate", "label", "outlier"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class ClassCount(Part):
    """One class, with its number of files in each split, unreadable ones included."""

    label: str
    images: int
    of: dict[str, int]


class Unreadable(Part):
    """A file that is no picture, with the reader's code and reason."""

    path: str
    label: str
    split: str
    code: str
    reason: str


class DuplicatePair(Part):
    """Two files that show the same picture. `keep` is the one to keep, `drop` the one to leave out."""

    keep: str
    drop: str
    keep_label: str
    drop_label: str
    keep_split: str
    drop_split: str
    same_bytes: bool
    mirrored: bool = False
    distance: int = 0  # bits of 64 in which the difference hashes differ
    correlation: float = 1.0  # of the two pictures at 32 x 32, grey

    @property
    def leaks(self) -> bool:
        """Whether the picture is in two splits: then a model is evaluated on a photo that it learnt from."""
        return self.keep_split != self.drop_split

    @property
    def conflicts(self) -> bool:
        """Whether the picture has two labels: one is wrong, or the classes are not distinct."""
        return self.keep_label != self.drop_label


class Outlier(Part):
    """A picture unlike the others; `value` is beyond `limit`."""

    path: str
    label: str
    split: str
    kind: OutlierKind
    value: float
    limit: float


class Limit(Part):
    """The limit of an outlier, in words and as a number; None if the data set gives none."""

    kind: OutlierKind
    what: str
    limit: float | None


class Suspect(Part):
    """A picture whose label is probably wrong, by a frozen network and its neighbours; the most doubtful first."""

    path: str
    split: str
    given: str
    suggested: str
    given_probability: float
    suggested_probability: float


class LabelCheck(Part):
    """How the labels were checked, and which are doubtful; `skipped` says why they were not checked."""

    skipped: str | None = None
    model: str | None = None
    weights: str | None = None  # how much of the model's body came from the weights, in words
    images: int = 0
    agreement: float | None = None  # share of photos whose out-of-fold best class is the given one
    without: tuple[str, ...] = ()  # classes with too few different photos to be checked
    suspects: tuple[Suspect, ...] = ()


class Formats(Part):
    """How the files are stored."""

    formats: dict[str, int]
    modes: dict[str, int]  # Pillow's words: RGB, L (grey), CMYK, P (palette), ...
    colourless: int  # stored in colour, but grey
    turned: int  # by their EXIF
    width_median: int
    height_median: int


class AuditReport(Part):
    """An audit of one data set."""

    schema_version: str = "1.0"
    data: str
    split: str  # where the splits come from: the data's folders, a split.csv, or none
    images: int  # files, with those that cannot be read
    classes: tuple[ClassCount, ...]
    imbalance: float | None  # largest class over smallest, of the training photos; None if a class has none
    unreadable: tuple[Unreadable, ...]
    formats: Formats
    pairs: tuple[
        DuplicatePair, ...
    ]  # leaks first, then two labels, then the rest; the same bytes before the nearly same
    groups: tuple[tuple[str, ...], ...]  # all files that show the same picture, largest group first
    limits: tuple[Limit, ...]
    outliers: tuple[Outlier, ...]
    labels: LabelCheck
    seconds: dict[str, float]
    machine: str
    command: str
    audited_at: str

    @property
    def leaks(self) -> tuple[DuplicatePair, ...]:
        """Pictures that lie in two splits."""
        return tuple(pair for pair in self.pairs if pair.leaks)

    @property
    def conflicts(self) -> tuple[DuplicatePair, ...]:
        """Pictures with two labels, wherever they lie."""
        return tuple(pair for pair in self.pairs if pair.conflicts)

    def counts(self) -> dict[Kind, int]:
        """Findings of each kind; a pair is counted for everything that it is, so the kinds overlap."""
        same = sum(pair.same_bytes for pair in self.pairs)
        return {
            "corrupt": len(self.unreadable),
            "leak": len(self.leaks),
            "conflict": len(self.conflicts),
            "duplicate": same,
            "near_duplicate": len(self.pairs) - same,
            "label": len(self.labels.suspects),
            "outlier": len(self.outliers),
        }
