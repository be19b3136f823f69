"""The confusion matrix of a page, and the pairs of classes that are confused most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.report.scored import Ints

READABLE = 40  # classes in a matrix that can still be read
BLOCK = 25  # classes of the part that is shown of a larger one


@dataclass(frozen=True)
class Cell:
    """How many photos of a row's class were called a column's; `share` of the row."""

    images: int
    share: float
    right: bool
    says: str

    @property
    def shade(self) -> float:
        """Opacity, 0 to 0.6; small shares of mistakes are lifted, so that they are seen beside the diagonal."""
        return round(0.6 * (self.share if self.right else min(1.0, 3 * self.share) ** 0.5), 3)


@dataclass(frozen=True)
class ConfusedPair:
    """Two classes, by number and by name, that the model confuses; the first is the one with more mistakes."""

    places: tuple[int, int]
    first: str
    second: str
    taken: int  # photos of the first that were called the second
    mistaken: int  # and the other way round
    of_first: int
    of_second: int

    @property
    def sentence(self) -> str:
        """How often each of the two was called the other."""
        one = f"{self.taken} of {self.of_first} {self.first} were called {self.second}"
        return f"{one}, {self.mistaken} of {self.of_second} the other way round."


@dataclass(frozen=True)
class Matrix:
    """Rows: the true class with its photos, and a cell for every class shown; columns: the predicted class."""

    labels: tuple[str, ...]
    rows: tuple[tuple[str, int, tuple[Cell, ...]], ...]
    classes: int  # of the whole matrix

    @property
    def whole(self) -> bool:
        """Whether every class is shown."""
        return len(self.labels) == self.classes


def matrix_of(confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> Matrix:
    """The matrix, or the block of the most confused classes if there are more than 40."""
    counts = np.array(confusion)
    shown = list(range(len(labels))) if len(labels) <= READABLE else most_confused(counts.tolist(), BLOCK)
    rows = []
    for row in shown:
        total = int(counts[row].sum())
        cells = (_cell(int(counts[row, column]), total, labels[row], labels[column], row == column) for column in shown)
        rows.append((labels[row], total, tuple(cells)))
    return Matrix(tuple(labels[place] for place in shown), tuple(rows), len(labels))


def most_confused(confusion: Sequence[Sequence[int]], count: int) -> list[int]:
    """The classes of the largest counts off the diagonal, in their own order."""
    counts = np.array(confusion)
    np.fill_diagonal(counts, 0)
    chosen: dict[int, None] = {}
    for flat in np.argsort(-counts, axis=None, kind="stable"):
        if len(chosen) >= count - 1 or not counts.flat[flat]:
            break
        chosen.update(dict.fromkeys(divmod(int(flat), len(counts))))
    return sorted(chosen)


def confused_pairs(confusion: Sequence[Sequence[int]], labels: Sequence[str], count: int) -> list[ConfusedPair]:
    """The pairs of classes with most mistakes between them, either way."""
    counts = np.array(confusion)
    between = np.triu(counts + counts.T, 1)
    order = np.argsort(-between, axis=None, kind="stable")[:count]
    return [_pair(counts, labels, *divmod(int(flat), len(counts))) for flat in order if between.flat[flat]]


def _pair(counts: Ints, labels: Sequence[str], first: int, second: int) -> ConfusedPair:
    if counts[second, first] > counts[first, second]:
        first, second = second, first
    return ConfusedPair(
        places=(first, second),
        first=labels[first],
        second=labels[second],
        taken=int(counts[first, second]),
        mistaken=int(counts[second, first]),
        of_first=int(counts[first].sum()),
        of_second=int(counts[second].sum()),
    )


def _cell(images: int, total: int, true: str, called: str, right: bool) -> Cell:
    share = images / total if total else 0.0
    what = "right" if right else f"called {called}"
    return Cell(images, share, right, f"{images} of {total} {true} {what}, {share:.1%}")
