"""Damage files of one format, read each three ways, and write what came of it: FORMAT SEED COUNT.

A line for each file, as soon as it is read, so that the one over which a C library crashes is the one after the last line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from benchmarks.pictures.comparing import compare_damaged
from benchmarks.pictures.kinds import kinds
from benchmarks.pictures.mutating import damaged


def main(arguments: Sequence[str]) -> None:
    """Write `[outcome, words]` as JSON for each file."""
    form, seed, count = arguments[0], int(arguments[1]), int(arguments[2])
    whole = [kind for kind in kinds() if kind.form == form]
    for number in range(seed, seed + count):
        kind = whole[number % len(whole)]
        try:
            outcome = str(compare_damaged(damaged(kind.data, number), kind))
        except Exception as error:  # noqa: BLE001 - whatever comes is what is looked for
            outcome, kind = "uncaught", kind._replace(name=f"{kind.name}, {error!r}")
        sys.stdout.write(json.dumps([outcome, f"{form} {number}, {kind.name}: {outcome}"]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
