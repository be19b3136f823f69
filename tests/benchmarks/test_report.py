"""From measured rows to percentiles, goals, the page and the plot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.serving.goals import goals
from benchmarks.serving.load import Outcome
from benchmarks.serving.machine import Usage
from benchmarks.serving.photos import labels
from benchmarks.serving.report import page
from benchmarks.serving.rows import errors, percentile, row_of
from benchmarks.serving.run import Run
from tests.benchmarks.runs import BF16, row, whole_run


def reached(run: Run) -> dict[str, tuple[float, bool]]:
    return {goal.text: (round(goal.reached, 3), goal.met) for goal in goals(run)}


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert [percentile(range(1, 101), percent) for percent in (50, 99, 100)] == [50, 99, 100]
    assert percentile([7.0], 99) == 7.0


def test_a_row_counts_images_by_the_seconds_of_its_window() -> None:
    outcome = Outcome(seconds=4.0, images=480, latencies_ms=[10.0, 20.0, 90.0], client_cpu_s=0.06)
    outcome.statuses.update({200: 30, 503: 2})
    outcome.cut = 1
    found = row_of(
        outcome, Usage(server=1.8, client=0.02, others=0.01), server="podium", engine=BF16, setting="", concurrency=4,
        images_per_request=16, same_label=1.0, memory_mb=[700.0, 690.0, 200.0], workers=2, tries=1,
    )  # fmt: skip
    assert (found.images_per_s, found.p50_ms, found.p99_ms, found.client_cores) == (120.0, 20.0, 90.0, 0.015)
    assert (found.memory_mb, found.worker_mb) == (1590, 695)
    assert errors(found) == 3


def test_the_goals_are_ratios_within_the_run() -> None:
    found = reached(whole_run())
    assert found[f"many-image requests against decode + forward, {BF16}"] == (0.959, True)
    assert found[f"single images at 16 clients against decode + forward, {BF16}"] == (0.918, True)
    assert found[f"against litserve at 16 clients, {BF16}"] == (1.35, True)
    assert found[f"against fastapi at 16 clients, {BF16}"] == (0.964, True)
    assert found[f"p99 / p50 at 16 clients, {BF16}"] == (1.4, True)
    assert found[f"throughput kept beside one busy process, {BF16}"] == (0.5, True)
    assert found[f"seconds from start to READY, {BF16}"] == (3.2, True)
    assert found["good images failed by a bad neighbour"] == (0, True)
    assert found["requests lost on a planned stop"] == (0, True)


def test_the_stock_handler_counts_with_its_best_setting() -> None:
    text = f"single images against TorchServe's stock handler (1 worker, batch 1, 16 clients), {BF16}"
    assert reached(whole_run())[text] == (5.0, True)


def test_a_goal_that_was_missed_says_so() -> None:
    run = whole_run()
    run.rows.append(row("bentoml", 134.0))
    assert reached(run)[f"against bentoml at 16 clients, {BF16}"] == (1.007, False)
    assert f"| against bentoml at 16 clients, {BF16} | >= 1.15 | 1.01 | **no** |" in page(run)


def test_what_was_not_measured_has_no_goal() -> None:
    assert not [text for text in reached(whole_run()) if "ray" in text or "int8" in text]


def test_the_page_names_machine_command_and_every_row() -> None:
    run = whole_run()
    written = page(run)
    assert "2 cores of AMD EPYC" in written
    assert run.command in written
    assert "openvino-int8: the archive holds none" in written
    assert written.count("| podium | openvino-bf16 |") == 4
    assert (
        "| fastapi | openvino-bf16 | 2 workers x 1 thread, batch 8 | 16 x 1 | 140.0 | 0.95 | 100.0 | 140.0 | 5 |"
        in written
    )
    assert "| torchserve | 30 of 36 |  | 8 | 0 |" in written


def test_a_run_is_the_same_after_it_was_written_and_read() -> None:
    run = whole_run()
    written = json.loads(json.dumps({**run.document(), "goals": []}))
    assert Run.of(written) == run


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"predictions": [{"label": "golf ball", "probability": 0.9}], "model": {}}', ["golf ball"]),
        (b'[{"predictions": [{"label": "golf ball", "probability": 0.9}]}]', ["golf ball"]),
        (b'{"football": 0.1, "golf ball": 0.8, "volleyball": 0.1}', ["golf ball"]),
        (
            b'{"answers": [{"predictions": [{"label": "football"}]}, {"status": 415, "error": "no"}]}',
            ["football", None],
        ),
    ],
)
def test_the_best_class_is_found_in_the_words_of_every_server(body: bytes, found: list[str | None]) -> None:
    assert labels(body) == found


def test_the_plot_is_drawn_as_svg_and_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="only .venv-benchmarks has it")
    from benchmarks.serving.plot import draw

    written = draw(whole_run(), tmp_path)
    assert [path.name for path in written] == ["serving.svg", "serving.png"]
    assert "FastAPI" in written[0].read_text(encoding="utf-8")
