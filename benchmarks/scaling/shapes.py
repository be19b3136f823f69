"""The four shapes and the policy of before: each one's outcome for a workload, and its dollars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from benchmarks.scaling import template
from benchmarks.scaling.measured import Speeds, read_speeds
from benchmarks.scaling.policies import Always, Policy, Steps, TrackingAndWake
from benchmarks.scaling.simulation import Outcome, through_functions, through_servers
from benchmarks.scaling.workloads import LENGTH_S, Arrivals
from benchmarks.scaling.world import World, images_per_s
from podium.costs.prices import Prices

GPU_MACHINE, GPU_DISK_GB = "g6.xlarge", 60
TASK_CORES, TASK_GB = 2, 4  # the CPU server, on Fargate
MB_A_GB, HOURS_A_MONTH = 1024, 730
GPU_TO_ZERO, BEFORE = "GPU to zero", "GPU to zero, before"
GPU_ALWAYS, CPU_ALWAYS, FUNCTION = "GPU always on", "CPU server always on", "function"
SHAPES = (FUNCTION, GPU_TO_ZERO, BEFORE, GPU_ALWAYS, CPU_ALWAYS)


@dataclass(frozen=True)
class Bill:
    """Dollars of the whole simulation, of what differs between the shapes: what computes, and the server's network."""

    compute: float
    functions: float
    network: float

    @property
    def dollars(self) -> float:
        """All of it."""
        return self.compute + self.functions + self.network


@dataclass(frozen=True)
class Row:
    """One shape's way through one workload."""

    shape: str
    workload: str
    outcome: Outcome
    bill: Bill


@dataclass(frozen=True)
class Study:
    """Everything that all simulations share."""

    prices: Prices
    world: World = field(default_factory=World)
    speed: float = 1.0  # of the measured speeds: a vCPU of AWS may be slower than a core of the machine that measured
    seed: int = 0

    @property
    def speeds(self) -> Speeds:
        """The measured speeds."""
        return _speeds()

    def row(self, shape: str, workload: str, coming: Arrivals, **parameters: object) -> Row:
        """Send the images through a shape; `parameters` are those of gpu-stack.yaml."""
        if shape == FUNCTION:
            outcome, bill = self._function(coming)
        elif shape == CPU_ALWAYS:
            outcome, bill = self._servers(
                coming, Always(1), self.speeds.server * self.speed, 1, "on_demand", self._task
            )
        else:
            scaling = template.read_scaling(**parameters)
            most = 1 if shape == GPU_ALWAYS else scaling.most_tasks
            policy: Policy = Always(1) if shape == GPU_ALWAYS else Steps(scaling)
            if shape == BEFORE:
                policy = TrackingAndWake(most)
            kind = "on_demand" if shape == GPU_ALWAYS else "spot"
            outcome, bill = self._servers(coming, policy, self.world.gpu_images_per_s, most, kind, self._machine)
        return Row(shape, workload, outcome, bill)

    def _servers(
        self, coming: Arrivals, policy: Policy, speed: float, most: int, kind: str, an_hour: Callable[[str], float]
    ) -> tuple[Outcome, Bill]:
        function, at_once = template.classify_function(), template.batches_at_once(most)

        def rate_of(ready: int) -> float:
            return images_per_s(ready, at_once, speed, function["batch"], self.world.beside_s)

        outcome = through_servers(
            coming, policy, self.world, rate_of, kind="spot" if kind == "spot" else "on_demand",
            ready_s=function["window_s"] + self.world.beside_s, seed=self.seed,
        )  # fmt: skip
        assert outcome.hours is not None
        length_h = LENGTH_S / 3600
        always = kind == "on_demand"
        compute = (
            length_h * an_hour(kind) if always else sum(hours * an_hour(it) for it, hours in outcome.hours.items())
        )
        # Each image takes its share of a function's time: while the server is busy, as many functions wait as are allowed.
        seconds = outcome.images * at_once / rate_of(1)
        functions = self._function_dollars(seconds, outcome.images / function["batch"], function["served_mb"])
        price = self.prices.prices
        network = length_h * (price.alb_hours.each + price.nat_hours.each + price.ipv4_hours.each)
        return outcome, Bill(compute, functions, network)

    @property
    def batch_in_function_s(self) -> float:
        """Seconds of a full batch in a function that holds the model."""
        batch: int = template.classify_function()["batch"]
        return batch / (self.speeds.function * self.speed) + self.world.beside_s

    def _function(self, coming: Arrivals) -> tuple[Outcome, Bill]:
        function, at_once, world = template.classify_function(), template.functions_at_once(), self.world
        cold_s = self.speeds.cold_start_s / self.speed + world.archive_fetch_s
        outcome = through_functions(
            coming, world, at_once * function["batch"] / self.batch_in_function_s, cold_s=cold_s, at_once=at_once,
            ready_s=function["window_s"] + world.beside_s,
        )  # fmt: skip
        batches = max(outcome.images / function["batch"], 1)
        whole = batches * self.batch_in_function_s + outcome.cold_starts * cold_s
        return outcome, Bill(0.0, self._function_dollars(whole, batches, function["with_model_mb"]), 0.0)

    def _function_dollars(self, seconds: float, requests: float, megabytes: float) -> float:
        price = self.prices.prices
        return seconds * megabytes / MB_A_GB * price.lambda_x86_gb_seconds.each + requests * price.lambda_requests.each

    def _machine(self, kind: str) -> float:
        machine = self.prices.machine(GPU_MACHINE)
        disk = GPU_DISK_GB * self.prices.prices.ebs_gp3_gb_months.each / HOURS_A_MONTH
        return disk + (machine.spot if kind == "spot" else machine.on_demand).each

    def _task(self, kind: str) -> float:  # noqa: ARG002 - Fargate has one price here
        price = self.prices.prices
        return TASK_CORES * price.fargate_vcpu_hours.each + TASK_GB * price.fargate_gb_hours.each


@cache
def _speeds() -> Speeds:
    return read_speeds(template.classify_function()["with_model_mb"])
