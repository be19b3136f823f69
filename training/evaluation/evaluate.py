"""Evaluate a finished run on one split: figures, predictions and scores, in the run folder.

run folder -> scores -> figures -> RUN/evaluation/SPLIT/{scores.safetensors, photos.csv, predictions.csv, evaluation.json}
"""

from __future__ import annotations

import shlex
import shutil
from collections import Counter
from pathlib import Path
from statistics import median

from pydantic import ValidationError

from training.data.audited import spelled
from training.data.tables import write_rows
from training.errors import WrongInput
from training.evaluation.figures import accuracy, best_of, calibration, class_scores, confusion_of, headlines
from training.evaluation.listed import evaluation_folder, learnt_of
from training.evaluation.machine import machine_in_words
from training.evaluation.records import EVALUATION_FILE, ClaimMeasured, Evaluation, Interval, read_evaluation_in
from training.evaluation.scores import OnProgress, Scores, save, score
from training.files import write_record
from training.model.model_file import ModelFile, read_model_file
from training.photos.set_aside import write_set_aside
from training.run import utc_now
from training.sentences import plural
from training.settings.config import Claim, read_yaml

PREDICTIONS_FILE = "predictions.csv"
MEASURE_CLAIMS = ("validation", "test")  # splits on which a source's claim is measured
FEW_PHOTOS = 10  # of a class: under that, its precision is chance


def evaluate(
    run_folder: Path,
    *,
    split: str = "auto",
    data: str | Path | None = None,
    device: str = "auto",
    on_progress: OnProgress = lambda _done, _total: None,
    command: str | None = None,
) -> Evaluation:
    """Evaluate the run on one of its splits, or on the photos in `data`, and write RUN/evaluation/SPLIT/.

    The evaluation of a person's data gets a folder with the data's name. `auto` is the test split if there is one, else
    validation. Raises WrongInput and TrainingError, as `score` does.
    """
    scores = score(run_folder, split, data=data, device=device, on_progress=on_progress)
    facts = read_model_file(run_folder)
    evaluation = count(scores, facts, run_folder, command or _command(run_folder, scores.split, data))
    _write(evaluation, scores, facts, evaluation_folder(run_folder, scores.split))
    return evaluation


def read_evaluation(run_folder: Path, split: str) -> Evaluation | None:
    """The evaluation of the run's present weights; None if there is none."""
    found = read_evaluation_in(evaluation_folder(run_folder, split))
    return found if found and found.weights_sha256 == read_model_file(run_folder).weights.sha256 else None


def count(scores: Scores, facts: ModelFile, run_folder: Path, command: str) -> Evaluation:
    """Every figure of an evaluation; reads the run's claim and its earlier evaluation, and writes nothing."""
    logits, labels = scores.logits, scores.labels
    classes = class_scores(logits, labels, facts.classes, facts.temperature)
    areas = [one.roc_auc for one in classes if one.roc_auc is not None]
    top1, top3, lines = accuracy(logits, labels, 1), accuracy(logits, labels, 3), headlines(logits, labels)
    earlier = _earlier(run_folder, scores.split)
    learnt_photos = learnt_of(run_folder)
    learnt = sum(digest in learnt_photos for digest in scores.digests)
    claim = _claim(run_folder) if scores.split in MEASURE_CLAIMS else None
    return Evaluation(
        run=spelled(str(run_folder)),
        architecture=facts.architecture,
        split=scores.split,
        data_fingerprint=facts.data.fingerprint,
        weights_sha256=facts.weights.sha256,
        images=len(labels),
        set_aside=len(scores.set_aside),
        learnt=learnt,
        top1=top1,
        top3=top3,
        loss=lines.loss,
        macro_precision=lines.macro_precision,
        macro_recall=lines.macro_recall,
        macro_f1=lines.macro_f1,
        weighted_precision=lines.weighted_precision,
        weighted_recall=lines.weighted_recall,
        weighted_f1=lines.weighted_f1,
        macro_roc_auc=sum(areas) / len(areas) if areas else None,
        classes=classes,
        confusion=tuple(map(tuple, confusion_of(labels, best_of(logits, 1)[:, 0], logits.shape[1]).tolist())),
        plain=calibration(logits, labels, 1.0),
        calibrated=calibration(logits, labels, facts.temperature),
        claim=measured_claim(claim, {"top1": top1, "top3": top3, "loss": lines.loss}),
        speed=scores.speed,
        machine=machine_in_words(scores.speed.device),
        command=spelled(command),
        evaluated_at=utc_now(),
        earlier=earlier,
        notes=_notes(scores, facts, earlier, learnt),
    )


def measured_claim(claim: Claim | None, figures: dict[str, Interval]) -> ClaimMeasured | None:
    """A claim beside the measured figure: a loss must be at most the claim, any other figure at least."""
    if claim is None:
        return None
    measured = figures[claim.metric]
    met = measured.value <= claim.value if claim.metric == "loss" else measured.value >= claim.value
    return ClaimMeasured(claim=claim, measured=measured, met=met)


def write_predictions(scores: Scores, temperature: float, path: Path) -> None:
    """predictions.csv: the true class, the three most likely ones, and their calibrated probabilities."""
    best = best_of(scores.logits, 3)
    odds = (scores.logits.double() / temperature).softmax(dim=1).gather(1, best)
    header = ["path", "label", "predicted", "probability", "second", "probability2", "third", "probability3", "correct"]
    columns = zip(map(spelled, scores.paths), scores.labels.tolist(), best.tolist(), odds.tolist(), strict=True)
    write_rows(path, header, (_row(scores.classes, *column) for column in columns))


def _write(evaluation: Evaluation, scores: Scores, facts: ModelFile, folder: Path) -> None:
    """All files in a draft folder first, and evaluation.json last: until then the evaluation before stays."""
    unfinished = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    save(scores, unfinished)
    write_predictions(scores, facts.temperature, unfinished / PREDICTIONS_FILE)
    folder.mkdir(exist_ok=True)
    for written in sorted(unfinished.iterdir()):
        written.replace(folder / written.name)
    unfinished.rmdir()
    write_set_aside(scores.set_aside, folder)
    write_record(evaluation, folder / EVALUATION_FILE)


def _row(classes: tuple[str, ...], path: str, label: int, best: list[int], odds: list[float]) -> list[object]:
    steps = [it for index, odd in zip(best, odds, strict=True) for it in (classes[index], f"{odd:.6f}")]
    return [path, classes[label], *steps, *[""] * (6 - len(steps)), int(best[0] == label)]


def _claim(run_folder: Path) -> Claim | None:
    claim = read_yaml(run_folder / "config.yaml").get("claim")
    try:
        return None if claim is None else Claim.model_validate(claim)
    except ValidationError as error:
        raise WrongInput(f"{run_folder / 'config.yaml'}: claim = {claim!r} is none. Take it out.") from error


def _earlier(run_folder: Path, split: str) -> tuple[str, ...]:
    """When the test split was read with these weights; it is meant to be read once."""
    if split != "test":
        return ()
    before = read_evaluation(run_folder, split)
    return (*before.earlier, before.evaluated_at) if before else ()


def _notes(scores: Scores, facts: ModelFile, earlier: tuple[str, ...], learnt: int) -> tuple[str, ...]:
    notes = []
    if earlier:
        notes.append(
            f"test was evaluated on {earlier[0]} already; if you choose a model by it, it becomes a validation split."
        )
    if scores.split == "validation":
        notes.append(
            "checkpoint and temperature were chosen on these photos: held-out photos may score a little lower."
        )
    if scores.split == "train":
        notes.append("the model learnt from these photos: the figures say nothing about other photos.")
    elif learnt:
        notes.append(
            f"the model has learnt {learnt} of these {plural(len(scores.digests), 'photo')}: the figures are too good."
        )
    if median(Counter(scores.labels.tolist()).values()) < FEW_PHOTOS:
        notes.append(
            f"half of the classes have fewer than {FEW_PHOTOS} photos here: macro precision and its interval are not to be"
            " trusted."
        )
    missing = len(facts.classes) - len(set(scores.labels.tolist()))
    if missing:
        notes.append(f"{missing} of {len(facts.classes)} classes have no photo here: averages are over the others.")
    return tuple(notes)


def _command(run_folder: Path, split: str, data: str | Path | None) -> str:
    chosen = ["--split", split] if data is None else ["--data", str(data)]
    return shlex.join(["podium", "evaluate", str(run_folder), *chosen])
