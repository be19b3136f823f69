"""What the simulation assumes of AWS and of the machines: what is neither measured nor in a template nor in podium.costs."""

from __future__ import annotations

from dataclasses import dataclass

from podium.costs.assumptions import Assumptions

ASSUMED = Assumptions()


@dataclass(frozen=True)
class World:
    """Times in seconds. None of them was measured on AWS."""

    gpu_images_per_s: float = ASSUMED.gpu_images_a_second  # of one; no GPU was measured: 100 to 800 are tried
    cold_start_s: tuple[float, float] = (240.0, 420.0)  # a machine is requested, boots, pulls 6 GB, loads, is healthy
    capacity_provider_s: float = 60.0  # of it, before the machine is started and paid for
    warm_start_s: float = 75.0  # a task on a machine that still runs
    machine_lingers_s: float = 900.0  # the capacity provider ends a machine after 15 minutes without a task
    spot_losses_per_hour: float = 0.05  # of one machine
    droughts: tuple[tuple[float, float], ...] = ()  # from, to: Spot takes every machine back and has none
    fallback_after_s: float | None = 600.0  # On-Demand, after Spot had none for ten minutes; None: never
    fallback_machines: int = 1
    gate_opens_s: float = 35.0  # a probe every 5 s, and the event source mapping's change
    metric_lag_s: float = 60.0  # of a minute's figure in CloudWatch
    queue_stays_active: bool = True  # the gate counts the queue's messages every minute while it is closed
    inactive_after_s: float = 6 * 3600.0
    first_metric_s: float = 900.0  # of a queue that was inactive: AWS says up to 15 minutes
    beside_s: float = ASSUMED.beside_ms / 1000  # of a batch's time in the classify function, beside the model
    function_idle_s: float = 600.0  # a process of the function is kept so long


def images_per_s(ready: int, batches_at_once: int, server: float, batch: int, beside_s: float) -> float:
    """What so many servers classify when the functions never wait for images.

    Each function is either beside the model or at a server, which works on one batch after the other: exact mean value
    analysis of a closed network with one queue and a delay (Reiser and Lavenberg 1980).
    """
    if ready == 0:
        return 0.0
    service_s, queued, batches_per_s = batch / server, 0.0, 0.0
    for customers in range(1, max(1, round(batches_at_once / ready)) + 1):
        stay_s = service_s * (1 + queued)
        batches_per_s = customers / (beside_s + stay_s)
        queued = batches_per_s * stay_s
    return ready * batches_per_s * batch
