"""Which photos a report shows, and why these: by seed where chance must choose, by loss and confusion where not."""

from __future__ import annotations

import numpy as np

from training.report.inputs import Judgement

GRID, STRIPS, GALLERY, EXPLAINED = 25, 12, 24, 8
PAIRS, PAIR_PHOTOS = 8, 4
SUSPECTS = 18
SEED = 0


def drawn(judgement: Judgement) -> tuple[list[int], list[int]]:
    """Photos for the grid, and others for the strips: drawn by a fixed seed, so that nobody chose them."""
    order = np.random.default_rng(SEED).permutation(len(judgement.labels)).tolist()
    return order[:GRID], order[GRID : GRID + STRIPS] or order[:STRIPS]


def highest_loss(judgement: Judgement, count: int = GALLERY, *, errors: bool = False) -> list[int]:
    """The photos that cost most, highest loss first; with `errors`, those alone that got a wrong answer."""
    order = np.argsort(-judgement.losses, kind="stable")
    if errors:
        order = order[judgement.predicted[order] != judgement.labels[order]]
    chosen: list[int] = order[:count].tolist()
    return chosen


def confused_photos(judgement: Judgement, label: int, predicted: int) -> list[int]:
    """Photos of one class that were called another, the surest mistakes first."""
    found = np.flatnonzero((judgement.labels == label) & (judgement.predicted == predicted))
    order = np.argsort(-judgement.probabilities[found, predicted], kind="stable")
    chosen: list[int] = found[order][:PAIR_PHOTOS].tolist()
    return chosen


def label_suspects(judgement: Judgement) -> list[int]:
    """Photos whose label is likely wrong, the most likely first.

    Confident learning by cleanlab: Northcutt et al. 2021, https://arxiv.org/abs/1911.00068. Classes without a photo
    are left out, since it knows no threshold for them.
    """
    from cleanlab.filter import find_label_issues

    present, labels = np.unique(judgement.labels, return_inverse=True)
    if len(present) < 2:
        return []
    odds = judgement.probabilities[:, present] + 1e-12
    odds = odds / odds.sum(axis=1, keepdims=True)
    ranked = find_label_issues(
        labels, odds, return_indices_ranked_by="self_confidence", min_examples_per_class=0, n_jobs=1
    )
    suspects: list[int] = np.asarray(ranked, dtype=np.int64).tolist()
    return suspects
