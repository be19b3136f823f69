"""Training's speed: timm's log, the order of turns, and the figures from the measured turns."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.training.photos import lay_out
from benchmarks.training.process import Process, TrainerEnded
from benchmarks.training.report import goals, page
from benchmarks.training.run import LIMIT, OURS, TIMM, Ratio, Run
from benchmarks.training.timm_script import Step, arguments, step_of
from tests.benchmarks.speeds import MODEL, block, measured
from training.settings.config import TrainConfig

LINE = (
    "Train: 0 [  17/229 (  8%)]  Loss: 3.98 (4.67)  Time: 2.698s,   11.86/s  (1.992s,   16.06/s)  LR: 1.000e-03  "
    "Data: 0.059 (0.091)"
)


def test_a_line_of_timms_log_is_one_step_with_its_own_speed_and_not_the_mean() -> None:
    assert step_of(LINE) == Step(epoch=0, step=17, images_per_s=11.86)
    assert step_of(LINE.replace("Train: 0", "INFO Train: 3")) == Step(epoch=3, step=17, images_per_s=11.86)


@pytest.mark.parametrize(
    "line", ["", "Training with a single process on 1 device (cpu).", "Test: [   0/6]  Time: 0.372 (0.372)  Loss: 2.7"]
)
def test_any_other_line_of_timms_log_is_no_step(line: str) -> None:
    assert step_of(line) is None


def settled(**changed: object) -> dict[str, object]:
    config = TrainConfig(data="photos", run=Path("run"), model=MODEL).model_dump(mode="json")
    return {**config, "device": "cpu", "precision": "fp32", "workers": 2, **changed}


def test_timm_gets_the_settings_of_podium() -> None:
    words = arguments(settled(), classes=15, output="out")
    line = " ".join(words)
    assert (
        "--data-dir photos --train-split train --val-split  --num-classes 15 --model resnet26d --batch-size 32" in line
    )
    assert "--scale 0.35 1.0" in line
    assert "--input-size 3 224 224 --workers 2 --device cpu --log-interval 1" in line
    assert not {"--amp", "--channels-last", "--model-ema"} & set(words)


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    assert measured().ratio(MODEL, OURS, TIMM) == Ratio(median=1.25, least=1.1, most=1.5)


def test_a_round_that_only_one_had_is_in_no_ratio() -> None:
    run = measured(blocks=[block(OURS, 10.0), block(OURS, 99.0, round=2), block(LIMIT, 20.0)])
    assert run.ratio(MODEL, OURS, LIMIT) == Ratio(0.5, 0.5, 0.5)
    assert run.ratio(MODEL, OURS, TIMM) is None


def test_the_goals_are_level_with_timm_and_95_percent_of_the_limit() -> None:
    found = [(goal.wanted, round(goal.reached, 2), goal.met) for goal in goals(measured())]
    assert found == [(1.0, 1.25, True), (0.95, 0.97, True)]
    slow = measured(blocks=[block(OURS, 9.0), block(TIMM, 10.0), block(LIMIT, 10.0)])
    assert [goal.met for goal in goals(slow)] == [False, False]


def test_the_page_names_machine_command_settings_and_every_model() -> None:
    written = page(measured())
    assert "2 cores of AMD EPYC (avx2), 23 GiB, no GPU" in written
    assert measured().command in written
    assert "224 pixels, batches of 32, fp32, threads: 1, loader workers: 0, on cpu" in written
    assert "| resnet26d | 30.0 | 24.0 | 31.0 | 1.25 (1.10 to 1.50) | 0.97 (0.97 to 1.00) |" in written
    assert "sha256 begins with f0bb70b9e1c8" in written
    assert "took 4.5 s before the first step" in written


def test_without_timms_script_its_columns_are_empty_and_the_page_says_so() -> None:
    run = measured(timm_script=None, blocks=[block(OURS, 30.0), block(LIMIT, 31.0)])
    assert "| resnet26d | 30.0 |  | 31.0 |  | 0.97 (0.97 to 0.97) |  |" in page(run)
    assert "timm's train.py was not given" in page(run)


def test_a_run_is_the_same_after_it_was_written_and_read() -> None:
    assert Run.of(json.loads(json.dumps({**measured().document(), "goals": []}))) == measured()


def test_the_plot_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from benchmarks.training.plot import draw

    written = draw(measured(), tmp_path / "images" / "speed.svg").read_text(encoding="utf-8")
    assert written.startswith("<?xml")


def test_both_trainers_get_as_many_photos_as_they_need_of_every_class(tmp_path: Path) -> None:
    for label, count in (("golf_ball", 3), ("football", 2)):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(count):
            (tmp_path / "photos" / label / f"{number}.jpg").write_bytes(label.encode())
    assert lay_out(tmp_path / "photos", tmp_path / "data", count=9) == ["football", "golf_ball"]
    laid = {
        (path.relative_to(tmp_path / "data").parts[0], path.parent.name, path.resolve().name)
        for path in (tmp_path / "data").rglob("*.jpg")
    }
    assert laid == {
        *(("train", "golf_ball", f"{number}.jpg") for number in range(3)),
        *(("train", "football", f"{number}.jpg") for number in range(2)),
        ("validation", "golf_ball", "0.jpg"),
        ("validation", "football", "0.jpg"),
    }
    assert len(list((tmp_path / "data" / "train").rglob("*.jpg"))) == 9


def test_a_folder_without_two_classes_is_no_folder_to_train_on(tmp_path: Path) -> None:
    (tmp_path / "football").mkdir()
    with pytest.raises(ValueError, match="two classes"):
        lay_out(tmp_path, tmp_path / "data", count=9)


@pytest.fixture
def started(tmp_path: Path) -> Callable[[str], Process]:
    return lambda script: Process([sys.executable, "-u", "-c", script], folder=tmp_path, environment={})


def test_a_trainer_that_is_held_does_nothing_until_it_goes_on(started: Callable[[str], Process]) -> None:
    process = started("import itertools, time\nfor n in itertools.count():\n    print(n)\n    time.sleep(0.001)")
    try:
        first = int(process.line())
        process.hold()
        assert not process.selector.select(0.2)
        process.go_on()
        assert int(process.line()) > first
    finally:
        process.end()


def test_a_trainer_that_ends_is_reported_with_its_last_line(started: Callable[[str], Process]) -> None:
    process = started("print('reading'); raise SystemExit('there is no such model')")
    try:
        assert process.line() == "reading"
        assert process.line() == "there is no such model"
        with pytest.raises(TrainerEnded, match="there is no such model"):
            process.line()
    finally:
        process.end()


@pytest.mark.torch
def test_a_gate_times_the_requested_steps_and_no_others() -> None:
    from benchmarks.training.gate import Gate

    printed: list[dict[str, float]] = []
    lines = iter(["2 3\n", "1 1\n", ""])
    now = iter(range(100))
    gate = Gate(lambda: None, ask=lambda: next(lines), tell=printed.append, clock=lambda: float(next(now)))
    gate.open()
    for _ in range(6):
        gate.step()
    assert printed == [{"seconds": 1.0}]
    with pytest.raises(SystemExit):
        gate.step()  # the last of the second block: no more steps are requested
    assert printed == [{"seconds": 1.0}, {"seconds": 1.0}]
