"""Progress in a log: whole lines, each epoch once."""

from __future__ import annotations

import pytest

from podium.shown.progress import counting
from podium.shown.training import folds_bar, training_bar
from training.run import TrainingProgress

LONG = "a note that is longer than a log's eighty columns, which nothing must wrap or cut, whatever stands in it"


def test_a_count_is_a_whole_line_at_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    with counting() as count:
        for done in (1, 2, 3, 3):
            count("uploading", done, 3, LONG)
    assert capsys.readouterr().err == f"  uploading 3/3 {LONG}\n"


@pytest.mark.torch
def test_each_epoch_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    progress = [TrainingProgress("reading", 8, 8)]
    for epoch in (1, 2):
        progress += [TrainingProgress("training", step, 3, epoch, 2, images_per_s=90, loss=0.5) for step in (1, 2, 3)]
        progress.append(TrainingProgress("scored", 3, 3, epoch, 2, images_per_s=90, loss=0.5, top1=0.75, top3=1.0))
    with training_bar() as report:
        for now in progress:
            report(now)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0].split()[:2] for line in lines] == [
        ["reading", "photos"],
        ["epoch", "1/2"],
        ["epoch", "2/2"],
    ]
    assert lines[-1] == "  epoch 2/2 3/3 90 images/s, loss 0.500, top-1 75.0%"
    with folds_bar() as report_fold:
        for now in progress:
            report_fold(1, 5, now)
    assert "fold 2/5, epoch 1/2" in capsys.readouterr().err
