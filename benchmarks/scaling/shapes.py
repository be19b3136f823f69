"""The four shapes and the policy of before: each one's outcome for a workload, and its dollars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.scaling import template
from benchmarks.scaling.policies import Always, Policy, Steps, TrackingAndWake
from benchmarks.scaling.simulation import Outcome, through_functions, through_servers
from benchmarks.scaling.workloads import LENGTH_S, Arrivals
from benchmarks.scaling.world import World, images_per_s
from podium.costs.assumptions import HOURS_A_MONTH, Assumptions
from podium.costs.function_time import invocation_dollars
from podium.costs.measured import function_cold_start, function_speed, server_speed
from podium.costs.prices import Prices

ASSUMED = Assumptions()
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

    def row(self, shape: str, workload: str, coming: Arrivals, **parameters: object) -> Row:
        """Send the images through a shape; `parameters` are those of gpu-stack.yaml."""
        if shape == FUNCTION:
            outcome, bill = self._function(coming)
        elif shape == CPU_ALWAYS:
            speed = server_speed().images_per_s * self.speed
            outcome, bill = self._servers(coming, Always(1), speed, 1, "on_demand", self._task)
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
        # While the server is busy, as many functions wait for it as are allowed.
        price, batch_s = self.prices.prices, function["batch"] * at_once / rate_of(1)
        functions = outcome.images / function["batch"] * invocation_dollars(price, batch_s, function["served_mb"])
        network = length_h * (price.alb_hours.each + price.nat_hours.each + price.ipv4_hours.each)
        return outcome, Bill(compute, functions, network)

    @property
    def batch_in_function_s(self) -> float:
        """Seconds of a full batch in a function that holds the model."""
        function = template.classify_function()
        speed = function_speed(function["with_model_mb"]).images_per_s * self.speed
        return float(function["batch"] / speed + self.world.beside_s)

    def _function(self, coming: Arrivals) -> tuple[Outcome, Bill]:
        function, at_once, world = template.classify_function(), template.functions_at_once(), self.world
        cold_s = function_cold_start().seconds / self.speed + ASSUMED.archive_fetch_s
        outcome = through_functions(
            coming, world, at_once * function["batch"] / self.batch_in_function_s, cold_s=cold_s, at_once=at_once,
            ready_s=function["window_s"] + world.beside_s,
        )  # fmt: skip
        price, memory, storage = self.prices.prices, function["with_model_mb"], function["with_model_storage_mb"]
        batch = invocation_dollars(price, self.batch_in_function_s, memory, storage_mb=storage)
        cold = invocation_dollars(price, cold_s, memory, storage_mb=storage) - price.lambda_requests.each
        return outcome, Bill(0.0, outcome.images / function["batch"] * batch + outcome.cold_starts * cold, 0.0)

    def _machine(self, kind: str) -> float:
        machine = self.prices.machine(ASSUMED.gpu_machine)
        disk = ASSUMED.disk_gb * self.prices.prices.ebs_gp3_gb_months.each / HOURS_A_MONTH
        return disk + (machine.spot if kind == "spot" else machine.on_demand).each

    def _task(self, kind: str) -> float:  # noqa: ARG002 - Fargate has one price here
        price = self.prices.prices
        return server_speed().cores * price.fargate_vcpu_hours.each + ASSUMED.fargate_gb * price.fargate_gb_hours.each
