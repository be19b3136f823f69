"""Count what happens in very many worlds: `python -m tests.functions.simulation --examples 5000`, a table on stdout."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import replace

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.functions.simulation import strategies
from tests.functions.simulation.plan import KINDS, Plan
from tests.functions.simulation.run import REAL_CODE, Life, live_among_bad_images, live_through, live_through_outages
from tests.functions.simulation.strategies import Plans

WORLDS: dict[str, tuple[Plans, Life]] = {
    "1 anything": (strategies.anything, live_through),
    "1 lost events": (strategies.lost_events, live_through),
    "2 overwrites": (strategies.overwrites, live_through),
    "2 backfills": (strategies.backfills, live_through),
    "3 breakdowns": (strategies.breakdowns, live_through),
    "4 server outages": (strategies.server_outages(st.sampled_from([1.0, 20.0])), live_through_outages),
    "1 to 3 in lines": (strategies.anything.map(lambda plan: replace(plan, lines=True)), live_through),
    "5 bad images": (strategies.bad_images, live_among_bad_images),
}
COLUMNS = ["schedules", "uploads", "messages", "receives", "invocations", "killed", "steps", "outages", "faults"]
COLUMNS += [f"fault {kind}" for kind in KINDS]
COLUMNS += ["late effects", "dead letters", "virtual days"]


def live(plans: Plans, life: Life, examples: int, first_seed: int) -> Counter[str]:
    """So many schedules of such plans, counted; the first that breaks a promise is raised, made small."""
    total: Counter[str] = Counter()

    @seed(first_seed)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(plan=plans)
    def lived(plan: Plan) -> None:
        total.update(life(plan, REAL_CODE))

    lived()
    total["virtual days"] //= 86_400
    return total


def main() -> int:
    """Run every kind of world; a broken promise ends it with the smallest plan that breaks it."""
    parser = argparse.ArgumentParser(prog="python -m tests.functions.simulation", description=__doc__)
    parser.add_argument("--examples", type=int, default=1_000, help="schedules of each kind of world (1000)")
    parser.add_argument("--seed", type=int, default=0, help="other schedules (0)")
    arguments = parser.parse_args()
    print("| what is drawn |", " | ".join(COLUMNS), "| broken promises | seconds |")  # noqa: T201
    print("|---" * (len(COLUMNS) + 3) + "|")  # noqa: T201
    for name, (plans, life) in WORLDS.items():
        began_s = time.monotonic()
        total = live(plans, life, arguments.examples, arguments.seed)
        cells = [f"{total[column]:,}" for column in COLUMNS]
        print(f"| {name} |", " | ".join(cells), f"| 0 | {time.monotonic() - began_s:.0f} |", flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
