"""One plan, from its beginning until its promises were checked; and what happened in it, counted."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout

from pipeline.telemetry import logger
from tests.functions.simulation.plan import Plan
from tests.functions.simulation.promises import (
    check,
    check_after_the_redrive,
    check_candidate,
    check_neighbours,
    check_outages,
)
from tests.functions.simulation.world import Code, World

REAL_CODE = Code()

Life = Callable[[Plan, Code], Counter[str]]


@contextmanager
def world_of(plan: Plan, code: Code = REAL_CODE) -> Iterator[World]:
    """The plan's world; its threads end with the block. The pipeline's log and metrics are not shown meanwhile."""
    level, world = logger.log_level, World(plan, code)
    logger.setLevel("CRITICAL")
    try:
        with redirect_stdout(io.StringIO()):
            yield world
    finally:
        world.close()
        logger.setLevel(level)


def live_through(plan: Plan, code: Code = REAL_CODE) -> Counter[str]:
    """Promises 1 to 3; and again after a person redrove the dead letters."""
    with world_of(plan, code) as world:
        world.run()
        check(world)
        redriven = len(world.dead_letters.messages)
        world.redrive()
        check_after_the_redrive(world)
        return counted(world) | Counter({"dead letters": redriven})


def live_through_outages(plan: Plan, code: Code = REAL_CODE) -> Counter[str]:
    """Promise 4, in a world where nothing goes wrong but the model server."""
    with world_of(plan, code) as world:
        world.run()
        check(world)
        check_outages(world)
        return counted(world)


def live_with_a_bad_candidate(plan: Plan, code: Code = REAL_CODE) -> Counter[str]:
    """A rollout, in a world where nothing goes wrong but its candidate."""
    with world_of(plan, code) as world:
        world.run()
        check(world)
        check_candidate(world)
        return counted(world)


def live_among_bad_images(plan: Plan, code: Code = REAL_CODE) -> Counter[str]:
    """Promise 5, in a world where nothing goes wrong but images and messages."""
    with world_of(plan, code) as world:
        world.run()
        check(world)
        check_neighbours(world)
        return counted(world) | Counter({"dead letters": len(world.dead_letters.messages)})


def counted(world: World) -> Counter[str]:
    """What happened in the world."""
    total = Counter(
        {
            "schedules": 1,
            "uploads": len(world.witness.uploads),
            "messages": len(world.queue.sent),
            "receives": sum(message.receives for message in world.queue.sent),
            "invocations": world.function.invocations,
            "killed": world.function.kills,
            "steps": world.faults.effects.total(),
            "outages": len(world.plan.outages),
            "faults": world.faults.struck.total(),
            "late effects": world.faults.late_effects,
            "virtual days": int(world.now_s),  # summed in seconds
        }
    )
    for (_, kind), times in world.faults.struck.items():
        total[f"fault {kind}"] += times
    return total
