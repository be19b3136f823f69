"""What seldom happens to a person's stack, done to a real one: `python -m benchmarks.trials NAME`; the facts are printed as JSON.

It runs in the home that PODIUM_HOME names and leaves everything there running; `podium demo` comes first, for a model.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.trials import batches, machine, server
from podium.project import HOME, local_stack

TRIALS: dict[str, Callable[..., dict[str, Any]]] = {
    trial.__name__.replace("_", "-"): trial
    for trial in (
        batches.one_batch, batches.drop_killed, batches.down_in_mid_batch, batches.emulator_killed, batches.emulator_killed_while_dropping,
        batches.many_images, server.many_requests, server.worker_without_memory, server.worker_killed, machine.stolen_ports, machine.two_homes,
        machine.wrong_clocks, machine.clock_jumps,
    )
}  # fmt: skip


def main() -> None:
    """Run one trial and print its facts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("trial", choices=sorted(TRIALS))
    parser.add_argument("--seed", type=int, default=1, help="of the drawn photos; another one makes another batch")
    parser.add_argument("--images", type=int, help="of the batch, if the trial has one of any size")
    options = parser.parse_args()
    if local_stack() is None:
        sys.exit(f"there is no stack in {HOME}: run `podium demo` first, with the same PODIUM_HOME")
    sizes = {} if options.images is None else {"images": options.images}
    found = TRIALS[options.trial](options.seed, **sizes)
    facts = {"trial": options.trial, "seed": options.seed, "cores": os.cpu_count(), **found}
    print(json.dumps(facts, indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
