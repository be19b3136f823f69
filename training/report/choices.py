"""Which photos a report shows: at random by a fixed seed, by loss, or by confusion."""

from __future__ import annotations

import numpy as np

from training.report.scored import ScoredEvaluation

GRID, STRIPS, GALLERY, EXPLAINED = 25, 12, 24, 8
PAIRS, PAIR_PHOTOS = 8, 4
SUSPECTS = 18
SEED = 0


def drawn(scored: ScoredEvaluation) -> tuple[list[int], list[int]]:
    """Photos for the grid, and others for the strips, drawn by a fixed seed."""
    order = np.random.default_rng(SEED).permutation(len(scored.labels)).tolist()
    return order[:GRID], order[GRID : GRID + STRIPS] or order[:STRIPS]


def highest_loss(scored: ScoredEvaluation, count: int = GALLERY, *, errors: bool = False) -> list[int]:
    """The photos with the highest loss, highest first; with `errors`, wrong predictions alone."""
    order = np.argsort(-scored.losses, kind="stable")
    if errors:
        order = order[scored.predicted[order] != scored.labels[order]]
    chosen: list[int] = order[:count].tolist()
    return chosen


def confused_photos(scored: ScoredEvaluation, label: int, predicted: int) -> list[int]:
    """Photos of one class that the model calls another, most confident first."""
    found = np.flatnonzero((scored.labels == label) & (scored.predicted == predicted))
    order = np.argsort(-scored.probabilities[found, predicted], kind="stable")
    chosen: list[int] = found[order][:PAIR_PHOTOS].tolist()
    return chosen


def label_suspects(scored: ScoredEvaluation) -> list[int]:
    """Photos whose label is likely wrong, the most likely first.

    Confident learning by cleanlab: Northcutt et al. 2021, https://arxiv.org/abs/1911.00068. Classes without a photo
    are left out, since it has no threshold for them.
    """
    from cleanlab.filter import find_label_issues

    present, labels = np.unique(scored.labels, return_inverse=True)
    if len(present) < 2:
        return []
    odds = scored.probabilities[:, present] + 1e-12
    odds = odds / odds.sum(axis=1, keepdims=True)
    ranked = find_label_issues(
        labels, odds, return_indices_ranked_by="self_confidence", min_examples_per_class=0, n_jobs=1
    )
    suspects: list[int] = np.asarray(ranked, dtype=np.int64).tolist()
    return suspects
