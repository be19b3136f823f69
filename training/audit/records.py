"""What an audit finds: the record that `audit.json` holds, in the order in which a person reads it."""

from __future__ import annotations

from typing import Literal, get_args

from training.model.model_file import Part

OutlierKind = Literal["small", "large", "narrow", "wide", "dark", "bright", "one_colour", "blurred"]
Kind = Literal["corrupt", "leak", "conflict", "duplicate", "near_duplicate", "label", "outlier"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class ClassCount(Part):
    """One class: how many of its files lie in each split; files that cannot be read are counted, too."""

    label: str
    images: int
    of: dict[str, int]


class Unreadable(Part):
    """A file that is no picture, in the reader's words."""

    path: str
    label: str
    split: str
    code: str
    reason: str


class Pair(Part):
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
        """Whether the picture is in two splits: a model is judged on what it has learnt by heart."""
        return self.keep_split != self.drop_split

    @property
    def conflicts(self) -> bool:
        """Whether the picture has two labels: one of them is wrong, or both are right and the task is unclear."""
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
    """From where on a picture is an outlier, in words and as a number; None where the data set gives none."""

    kind: OutlierKind
    what: str
    limit: float | None


class Suspect(Part):
    """A picture whose label a frozen network and its neighbours do not believe; the most doubtful come first."""

    path: str
    split: str
    given: str
    suggested: str
    given_probability: float
    suggested_probability: float


class LabelCheck(Part):
    """What the labels were checked with, and which are doubtful; `skipped` says why they were not."""

    skipped: str | None = None
    model: str | None = None
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
    imbalance: float | None  # largest class over smallest, of the training photos; None where a class has none
    unreadable: tuple[Unreadable, ...]
    formats: Formats
    pairs: tuple[Pair, ...]  # leaks first, then two labels, then the rest; the same bytes before the nearly same
    groups: tuple[tuple[str, ...], ...]  # all files that show the same picture, largest group first
    limits: tuple[Limit, ...]
    outliers: tuple[Outlier, ...]
    labels: LabelCheck
    seconds: dict[str, float]
    machine: str
    command: str
    audited_at: str

    @property
    def leaks(self) -> tuple[Pair, ...]:
        """Pictures that lie in two splits."""
        return tuple(pair for pair in self.pairs if pair.leaks)

    @property
    def conflicts(self) -> tuple[Pair, ...]:
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
