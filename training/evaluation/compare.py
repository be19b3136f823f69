"""Whether one run is better than another on the same photos: McNemar's test, and intervals of the difference.

runs -> evaluations (made if missing) -> photos common to all, by sha256 -> pairs -> Comparison
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from training.data.audited import spelled
from training.errors import WrongInput
from training.evaluation.comparison import ClassDifference, ComparedRun, Comparison, RunPair
from training.evaluation.evaluate import evaluate, read_evaluation
from training.evaluation.figures import best_of
from training.evaluation.intervals import share
from training.evaluation.listed import evaluation_folder, learnt_of, place_of, resolve_split
from training.evaluation.machine import machine_in_words
from training.evaluation.records import Interval
from training.evaluation.scores import Scores, load
from training.model.model_file import ModelFile, read_model_file
from training.run import utc_now
from training.sentences import plural

SIGNIFICANT = 0.05
Z_95 = 1.96  # standard errors either way
OnProgress = Callable[[str, int, int], None]  # run, photos done, of how many
Key = tuple[str, str]  # a photo's sha256 and its true class
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class ScoredRun:
    """A run, and for which photos it is right."""

    run: str
    name: str
    facts: ModelFile
    right: dict[Key, bool]
    learnt: frozenset[str]  # sha256 of the photos that it learnt from


def compare(
    runs: Sequence[Path],
    split: str = "auto",
    *,
    data: str | Path | None = None,
    on_progress: OnProgress = lambda _run, _done, _total: None,
) -> Comparison:
    """Two or more runs on the photos that are in the evaluation of each; a run without an evaluation gets one.

    `auto` is the test split if every run has been evaluated on it, else validation: a test split that is used to choose
    a run is a test split no longer. With `data`, every run is evaluated on those photos. Raises WrongInput if the runs
    share no photo.
    """
    if len({run.resolve() for run in runs}) < len(runs) or len(runs) < 2:
        raise WrongInput("Two or more runs are needed, each once, as in: podium compare runs/a runs/b.")
    split = _split(runs, split) if data is None else place_of(str(data))
    scored = [_scored(run, name, split, data, on_progress) for run, name in zip(runs, names_of(runs), strict=True)]
    common = _common(scored, split)
    rows = [np.array([one.right[key] for key in common]) for one in scored]
    labels = [label for _, label in common]
    pairs = [
        pair_of(scored[a].name, scored[b].name, rows[a], rows[b], labels) for a, b in combinations(range(len(runs)), 2)
    ]
    return Comparison(
        split=split,
        images=len(common),
        runs=tuple(map(_compared, scored, rows)),
        pairs=tuple(corrected(pairs)),
        notes=tuple(_notes(scored, common, split)),
        machine=machine_in_words("cpu"),
        compared_at=utc_now(),
    )


def _compared(one: ScoredRun, right: Flags) -> ComparedRun:
    return ComparedRun(
        run=one.run,
        name=one.name,
        architecture=one.facts.architecture,
        weights_sha256=one.facts.weights.sha256,
        images=len(one.right),
        top1=share(int(right.sum()), len(right)),
    )


def pair_of(a: str, b: str, a_right: Flags, b_right: Flags, labels: Sequence[str]) -> RunPair:
    """Two runs on the same photos, by which photos each is right for, (N,); p is not yet corrected for other pairs."""
    only_a, only_b = int((a_right & ~b_right).sum()), int((b_right & ~a_right).sum())
    both, total = int((a_right & b_right).sum()), len(labels)
    cells = (both, only_a, only_b, total - both - only_a - only_b)
    p = mcnemar_mid_p(only_a, only_b)
    return RunPair(
        a=a,
        b=b,
        both=both,
        only_a=only_a,
        only_b=only_b,
        neither=cells[3],
        difference=_difference(cells),
        p=p,
        p_holm=p,
        better=None,
        sentence="",
        classes=_by_class(a_right, b_right, labels),
    )


def mcnemar_mid_p(only_a: int, only_b: int) -> float:
    """McNemar's mid-p: exact, two-sided, counting half of the observed outcome's own probability; 1 for equal counts.

    Fagerland et al. 2013: https://doi.org/10.1186/1471-2288-13-91
    """
    fewer, trials = min(only_a, only_b), binom(only_a + only_b, 0.5)
    return float(trials.cdf(fewer) + trials.cdf(fewer - 1))


def corrected(pairs: Sequence[RunPair]) -> list[RunPair]:
    """The pairs with Holm's correction (1979) for their number, and which run is better, if any, as a sentence."""
    order = sorted(range(len(pairs)), key=lambda number: pairs[number].p)
    found, least = list(pairs), 0.0
    for rank, number in enumerate(order):
        pair = pairs[number]
        least = max(least, min(1.0, pair.p * (len(pairs) - rank)))
        better = (pair.b if pair.only_b > pair.only_a else pair.a) if least < SIGNIFICANT else None
        found[number] = pair.model_copy(
            update={"p_holm": least, "better": better, "sentence": _sentence(pair, better, least)}
        )
    return found


def names_of(runs: Sequence[Path]) -> list[str]:
    """The folders' names; whole paths if two of them are the same."""
    names = [spelled(run.resolve().name) for run in runs]
    return names if len(set(names)) == len(names) else [spelled(str(run)) for run in runs]


def _split(runs: Sequence[Path], split: str) -> str:
    if split == "auto":
        return "test" if all(read_evaluation(run, "test") for run in runs) else "validation"
    return next(iter({resolve_split(run, split) for run in runs}))


def _scored(run: Path, name: str, split: str, data: str | Path | None, on_progress: OnProgress) -> ScoredRun:
    if data is not None or read_evaluation(run, split) is None:
        evaluate(run, split=split, data=data, on_progress=lambda done, total: on_progress(name, done, total))
    scores = load(evaluation_folder(run, split))
    return ScoredRun(spelled(str(run)), name, read_model_file(run), _right(scores), learnt_of(run))


def _right(scores: Scores) -> dict[Key, bool]:
    best = best_of(scores.logits, 1)[:, 0]
    rows = zip(scores.digests, scores.labels.tolist(), (best == scores.labels).tolist(), strict=True)
    return {(digest, scores.classes[label]): right for digest, label, right in rows}


def _common(scored: Sequence[ScoredRun], split: str) -> list[Key]:
    common = [key for key in scored[0].right if all(key in other.right for other in scored[1:])]
    if not common:
        names = " and ".join(one.name for one in scored)
        raise WrongInput(
            f"{names} share no {split} photo, so they cannot be compared. Train both on one split (split=RUN/split.csv),"
            " or give photos that neither has learnt with --data."
        )
    return common


def _difference(cells: tuple[int, int, int, int]) -> Interval:
    """Top-1 of b minus top-1 of a, with an interval that is wide for few photos.

    Adjusted Wald for paired shares, Bonett and Price 2012: https://doi.org/10.3102/1076998611411915
    """
    _, only_a, only_b, _ = cells
    total = sum(cells)
    a, b = (only_a + 1) / (total + 2), (only_b + 1) / (total + 2)
    reach = Z_95 * ((a + b - (b - a) ** 2) / (total + 2)) ** 0.5
    return Interval(value=(only_b - only_a) / total, low=max(-1.0, b - a - reach), high=min(1.0, b - a + reach))


def _by_class(a_right: Flags, b_right: Flags, labels: Sequence[str]) -> tuple[ClassDifference, ...]:
    names, numbers, images = np.unique(np.array(labels), return_inverse=True, return_counts=True)
    a, b = (np.bincount(numbers, weights=right, minlength=len(names)) / images for right in (a_right, b_right))
    rows = zip(names.tolist(), images.tolist(), a.tolist(), b.tolist(), strict=True)
    found = (ClassDifference(label=name, images=count, a=ours, b=theirs) for name, count, ours, theirs in rows)
    return tuple(sorted(found, key=lambda one: -abs(one.b - one.a)))


def _sentence(pair: RunPair, better: str | None, p: float) -> str:
    total = pair.both + pair.only_a + pair.only_b + pair.neither
    a, b = (pair.both + pair.only_a) / total, (pair.both + pair.only_b) / total
    chance = "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"
    discordant = f"{plural(pair.only_b, 'photo')} only {pair.b} got right, {pair.only_a} only {pair.a}; {chance}"
    if better is None:
        return f"no difference that these photos can show: {pair.b} {b:.1%} against {pair.a} {a:.1%}, {discordant}"
    first, second = (b, a) if better == pair.b else (a, b)
    return f"{better} is better: {first:.1%} against {second:.1%}, {discordant}"


def _notes(scored: Sequence[ScoredRun], common: Sequence[Key], split: str) -> list[str]:
    notes = []
    if any(len(one.right) > len(common) for one in scored):
        counts = ", ".join(f"{one.name} {len(one.right)}" for one in scored)
        notes.append(f"only the {plural(len(common), 'photo')} common to all evaluations are compared (of {counts}).")
    notes += _advantages(scored, common)
    if len(scored) > 2:
        notes.append(f"p is corrected for {len(scored) * (len(scored) - 1) // 2} comparisons, by Holm.")
    if split == "test":
        notes.append(
            "these are test photos: choosing a run by them makes them validation photos; its final figure needs new ones."
        )
    return notes


def _advantages(scored: Sequence[ScoredRun], common: Sequence[Key]) -> Iterator[str]:
    """Why the comparison favours some of the runs, a sentence each."""
    if len({frozenset(one.facts.classes) for one in scored}) > 1:
        counts = ", ".join(f"{one.name} {len(one.facts.classes)}" for one in scored)
        yield f"the runs have different classes ({counts}): with fewer to choose from it is easier to be right."
    for one in scored:
        if learnt := sum(digest in one.learnt for digest, _ in common):
            yield f"{one.name} has learnt {learnt} of these {plural(len(common), 'photo')}: it is favoured."
