"""Read pictures of every kind, whole and damaged, three ways: `python -m benchmarks.pictures [--damaged 3000]`.

Writes pictures.md to --out. It ends with 1 if one was read otherwise than it was stored, raised something else than its
rejection, or crashed.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.pictures.comparing import compare
from benchmarks.pictures.kinds import kinds
from benchmarks.pictures.mutating import mutate
from benchmarks.pictures.page import Found, page
from benchmarks.serving import machine
from inference.images.formats import READABLE

SLOW = {"HEIC": 10}  # a process for each file
OUT = Path(__file__).resolve().parents[2] / "docs" / "results"


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pictures", description=__doc__)
    parser.add_argument("--damaged", type=int, default=3000, metavar="N", help="damaged files of each format (3000)")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FOLDER", help="where pictures.md goes (docs/results)")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")  # Pillow's and tifffile's, of what is odd
    whole = [Found(kind, compare(kind.data, kind.stored, kind.alike)) for kind in kinds()]
    damaged = [mutate(form, options.damaged // SLOW.get(form, 1)) for form in READABLE]
    command = shlex.join(["python", "-m", "benchmarks.pictures", *(sys.argv[1:] if arguments is None else arguments)])
    text = page(whole, damaged, command, machine.facts(), f"{datetime.now(UTC):%Y-%m-%d}")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "pictures.md").write_text(text, encoding="utf-8")
    faults = [found.kind.name for found in whole if found.compared.outcome == "wrong"]
    return 1 if faults or any(one.odd for one in damaged) else 0


if __name__ == "__main__":
    sys.exit(main())
