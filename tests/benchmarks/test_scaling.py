"""The simulation of the scaling: what is deployed never flaps, empties the queue and ends at nothing; what was before did flap."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.scaling.backlog import Backlog, quantiles
from benchmarks.scaling.policies import Policy, Steps, TrackingAndWake
from benchmarks.scaling.report import page
from benchmarks.scaling.shapes import FUNCTION, SHAPES, Study
from benchmarks.scaling.simulation import Outcome, through_functions, through_servers
from benchmarks.scaling.template import GPU_STACK, batches_at_once, read_scaling
from benchmarks.scaling.workloads import HOUR, WORKLOADS, Arrivals, arrivals
from benchmarks.scaling.world import World, images_per_s
from podium.costs.prices import load_prices
from podium.project import ROOT

TWO_DROPS: Arrivals = [(600.0, 50_000), (2 * HOUR, 5_000)]


def run(policy: Policy, coming: Arrivals, world: World | None = None) -> Outcome:
    world = world or World()

    def rate_of(ready: int) -> float:
        return images_per_s(ready, batches_at_once(2), world.gpu_images_per_s, 20, world.beside_s)

    return through_servers(coming, policy, world, rate_of, ready_s=2.25)


def test_two_drops_start_gpus_once_each_and_leave_nothing_waiting_and_nothing_running() -> None:
    outcome = run(Steps(read_scaling()), TWO_DROPS)
    assert outcome.done == outcome.images == 55_000
    assert [after for *_, after in outcome.actions] == [
        2,
        1,
        0,
        1,
        0,
    ]  # as many as the most that waited for a while asks for
    assert outcome.flaps == 0
    assert (outcome.moments[-1].desired, outcome.moments[-1].ready, outcome.moments[-1].backlog) == (0, 0, 0)


def test_target_tracking_with_a_wake_flaps_on_the_same_two_drops() -> None:
    outcome = run(TrackingAndWake(2), TWO_DROPS)
    assert outcome.done == outcome.images
    assert outcome.flaps >= 5
    assert len(outcome.actions) > 3 * 4


@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("tasks", ["2", "8"])
def test_whatever_comes_no_gpu_is_taken_back_before_the_idle_time_is_over(workload: str, tasks: str) -> None:
    scaling = read_scaling(MaxTasks=tasks)
    world = World()
    outcome = run(Steps(scaling), arrivals(workload, 7), world)
    [idle_s] = {alarm.window_s for alarm in scaling.alarms}
    held = [
        later[0] - raised[0]
        for raised, later in pairwise(outcome.actions)
        if later[2] < later[1] and raised[2] > raised[1]
    ]
    assert held
    assert min(held) >= idle_s - world.metric_lag_s
    assert len(outcome.actions) <= 8 * (1 + outcome.length_s / idle_s)
    assert outcome.done == outcome.images
    assert outcome.moments[-1].desired == 0


def test_figures_that_come_late_start_a_gpu_late_and_take_none_away() -> None:
    """A queue that nobody touched for six hours has none, and gets its first after a quarter of an hour."""
    coming: Arrivals = [(600.0, 5_000), (9 * HOUR, 5_000), (9 * HOUR + 1200, 5_000)]
    known, late = (run(Steps(read_scaling()), coming, World(queue_stays_active=active)) for active in (True, False))
    assert known.actions[2][0] - 9 * HOUR < 180
    assert 900 <= late.actions[2][0] - 9 * HOUR < 1080
    assert [after for *_, after in late.actions] == [after for *_, after in known.actions] == [1, 0, 1, 0]
    assert late.done == late.images


def test_without_spot_images_wait_and_with_on_demand_they_wait_ten_minutes() -> None:
    drought = World(droughts=((0.0, 3 * HOUR),), spot_losses_per_hour=0)
    bought = run(Steps(read_scaling()), TWO_DROPS[:1], drought)
    waited = run(Steps(read_scaling()), TWO_DROPS[:1], replace(drought, fallback_after_s=None))
    assert bought.hours is not None
    assert waited.hours is not None
    assert (bought.hours["spot"], waited.hours["on_demand"]) == (0, 0)
    assert 600 < bought.p50 < 1500
    assert waited.p50 > 2.5 * HOUR
    assert waited.done == waited.images
    assert waited.flaps == 0


def test_lost_machines_are_replaced_and_cost_no_image() -> None:
    outcome = run(Steps(read_scaling()), arrivals("trickle", 0), World(spot_losses_per_hour=1.0))
    assert outcome.lost_machines > 10
    assert outcome.done == outcome.images


def test_the_templates_parameters_are_those_that_are_simulated() -> None:
    outcome = run(Steps(read_scaling(MessagesPerTask=100, MaxTasks="32")), [(600.0, 700)])
    assert [after for *_, after in outcome.actions] == [8, 0]
    outcome = run(Steps(read_scaling(IdleSeconds=300)), [(600.0, 700)])
    [started, ended] = outcome.actions
    assert 600 < ended[0] - started[0] < 900  # the cold start and 300 s, not 900


def test_with_a_least_of_one_a_gpu_is_awake_from_the_first_figure_on_and_stays() -> None:
    outcome = run(Steps(read_scaling(MinTasks="1")), TWO_DROPS)
    assert [after for *_, after in outcome.actions] == [1, 2, 1]
    assert outcome.p99 < run(Steps(read_scaling()), TWO_DROPS).p99


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("(visible + taken) / ${MessagesPerTask}", "(FILL(visible, 0) + taken) / ${MessagesPerTask}"),
        ("TreatMissingData: notBreaching\n      AlarmActions: [!Ref Sleep]", "TreatMissingData: breaching\n      AlarmActions: [!Ref Sleep]"),
        ("AlarmActions: [!Ref Sleep]", "AlarmActions: []"),
        ("AdjustmentType: ExactCapacity", "AdjustmentType: ChangeInCapacity"),
    ],
)  # fmt: skip
def test_a_template_that_scales_in_another_way_is_refused_not_simulated_as_before(
    tmp_path: Path, written: str, instead: str
) -> None:
    changed = tmp_path / "gpu-stack.yaml"
    text = GPU_STACK.read_text(encoding="utf-8")
    assert written in text
    changed.write_text(text.replace(written, instead), encoding="utf-8")
    with pytest.raises(ValueError, match=r"gpu-stack|Alarm"):
        read_scaling(changed)


def test_servers_are_as_fast_as_they_are_fed() -> None:
    assert images_per_s(0, 8, 400, 20, 0.25) == 0
    assert images_per_s(1, 1, 400, 20, 0.25) == pytest.approx(20 / (0.25 + 20 / 400))
    assert 300 < images_per_s(1, 8, 400, 20, 0.25) < 400
    assert images_per_s(2, 8, 400, 20, 0.25) < 8 * 20 / 0.25


def test_the_first_images_after_a_pause_wait_for_a_new_function() -> None:
    coming: Arrivals = [(10.0, 1), (20.0, 1), (HOUR, 1)]
    outcome = through_functions(coming, World(), 100.0, cold_s=3.0, at_once=8, ready_s=0.0)
    assert outcome.p50 == pytest.approx(3.01)
    assert outcome.p99 == pytest.approx(3.01)
    assert outcome.cold_starts == 16


def test_images_are_answered_in_turn_and_times_are_shares_of_all_images() -> None:
    backlog = Backlog()
    backlog.add(0.0, 100)
    backlog.add(0.0, 10)
    backlog.serve(0.0, 5.0, 10.0)
    assert (backlog.images, backlog.messages(5.0, 2.0)) == (60, 60)
    backlog.serve(5.0, 20.0, 10.0)
    assert backlog.waits == [(10.0, 100.0), (11.0, 10.0)]
    assert backlog.messages(12.0, 2.0) == 10
    assert quantiles(backlog.waits, (0.5, 0.9, 0.99)) == [10.0, 10.0, 11.0]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_answers_everything_and_has_a_price(shape: str) -> None:
    row = Study(load_prices()).row(shape, "two drops", TWO_DROPS)
    assert row.outcome.done == 55_000
    assert row.bill.dollars > 0
    assert (row.bill.network == 0) == (shape == FUNCTION)


def test_the_page_is_what_its_figures_say() -> None:
    found = json.loads((ROOT / "docs/results/scaling.json").read_text(encoding="utf-8"))
    assert "\n".join(page(found)) + "\n" == (ROOT / "docs/results/scaling.md").read_text(encoding="utf-8")
    ours = [row for row in found["rows"] if row["shape"] == "GPU to zero"]
    assert [(row["flaps"], row["left_awake"]) for row in ours] == [(0, 0)] * len(WORKLOADS)
    assert all(row["done"] == row["images"] for row in found["rows"])
