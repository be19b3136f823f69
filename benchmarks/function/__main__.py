"""Measure the model inside the classify function, with the layer that `sam build` makes and nothing else.

    python -m benchmarks.function ARCHIVE... --photos FOLDER [--starts 5] [--batches 10]

Writes function.json and function.md to --out. A start is a process of its own; medians count. One CPU is what 1,769 MB of
a Lambda have; the function has 3,008 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.function.process import BATCH
from benchmarks.serving import machine
from benchmarks.serving.report import table
from podium.costs.prices import load_prices

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "docs" / "results"
MEMORY_GB = 3008 / 1024
INVOKED_MS = 250  # assumed, of an invocation beside the model: the fetch, the JSON and the row of 20 images, at once
Json = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.function", description=__doc__)
    parser.add_argument("archives", type=Path, nargs="+", metavar="ARCHIVE")
    parser.add_argument("--photos", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--starts", type=int, default=5, metavar="N")
    parser.add_argument("--batches", type=int, default=10, metavar="N")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FOLDER")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="function-") as scratch:
        layer = build_layer(Path(scratch))
        size = sum(path.stat().st_size for path in layer.rglob("*") if path.is_file())
        rows = [_measured(archive, layer, options, cpus) for archive in options.archives for cpus in (1, 2)]
    command = shlex.join(["python", "-m", "benchmarks.function", *(sys.argv[1:] if arguments is None else arguments)])
    facts = {**machine.facts(), "date": f"{datetime.now(UTC):%Y-%m-%d}", "layer_bytes": size}
    document = {"command": command, "machine": facts, "rows": rows}
    (options.out / "function.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (options.out / "function.md").write_text("\n".join(page(rows, facts, command)) + "\n", encoding="utf-8")


def build_layer(folder: Path) -> Path:
    """The layer's folder `python`, as `sam build` makes it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = os.environ | {"PATH": path, "ARTIFACTS_DIR": str(folder)}
    subprocess.run(["make", "build-EngineLayer"], cwd=ROOT / "inference", env=environment, check=True)
    return folder / "python"


def dollars_a_million(batch_s: float) -> float:
    """Of the classify function alone, warm, for batches of 20 images."""
    prices = load_prices().prices
    seconds = batch_s + INVOKED_MS / 1000
    return (seconds * MEMORY_GB * prices.lambda_x86_gb_seconds.each + prices.lambda_requests.each) / BATCH * 1e6


def page(rows: Sequence[Mapping[str, Any]], facts: Mapping[str, Any], command: str) -> Iterator[str]:
    """The page, in Markdown."""
    yield "# The model inside the classify function"
    yield ""
    yield (
        f"Machine: {facts['cores']} cores of {facts['cpu']}, {facts['memory_gib']} GiB, {facts['system']}. {facts['date']}."
        f" The layer has {facts['layer_bytes'] / 1e6:.0f} MB unzipped."
    )
    yield ""
    yield f"```\n{command}\n```"
    yield ""
    yield (
        "A process with nothing on its path but `functions/` and the layer that `sam build` makes, bound to a number of CPUs."
        " *import*: the handler and its libraries. *load*: unpack, verify, compile, prove the golden pictures, first answer;"
        " the fetch from S3 comes on top. Then batches of 20 images. Medians. *$/million* is arithmetic, not a bill: of the function alone, 3,008 MB at"
        f" {load_prices().prices.lambda_x86_gb_seconds.each} dollars a GB-second, with {INVOKED_MS} ms an invocation, an assumption, for everything beside the model. A vCPU of Lambda is slower than a"
        " core of this machine: expect more."
    )
    yield ""
    cells = [
        (
            it["archive"], it["engine"], it["cpus"], f"{it['import_s']:.2f}", f"{it['load_s']:.2f}",
            f"{BATCH / it['batch_s']:.0f}", f"{it['parent_peak_bytes'] / 1e6:.0f} + {it['reader_peak_bytes'] / 1e6:.0f}",
            f"{dollars_a_million(it['batch_s']):.2f}" if it["cpus"] == 2 else "",
        )
        for it in rows
    ]  # fmt: skip
    yield table(("archive", "engine", "CPUs", "import, s", "load, s", "images/s", "memory, MB", "$/million"), cells)


def _measured(archive: Path, layer: Path, options: argparse.Namespace, cpus: int) -> Json:
    starts = [_start(archive, layer, options, cpus) for _ in range(options.starts)]
    numbers = [name for name, value in starts[0].items() if not isinstance(value, str)]
    return {
        "archive": f"{archive.stem}, {archive.stat().st_size / 1e6:.0f} MB",
        "cpus": cpus,
        "engine": starts[0]["engine"],
        **{name: statistics.median(it[name] for it in starts) for name in numbers},
    }


def _start(archive: Path, layer: Path, options: argparse.Namespace, cpus: int) -> Json:
    aws = find_spec("boto3")
    if aws is None or aws.origin is None:
        raise SystemExit("boto3 is not installed, which Lambda's runtime brings.")
    path = os.pathsep.join([str(ROOT / "functions"), str(layer), str(Path(aws.origin).parents[1])])
    process = Path(__file__).with_name("process.py")
    command = [sys.executable, "-S", str(process), str(archive), str(options.photos), str(options.batches)]
    bind = partial(os.sched_setaffinity, 0, sorted(os.sched_getaffinity(0))[:cpus])
    environment = {"PATH": os.defpath, "PYTHONPATH": path, "POWERTOOLS_SERVICE_NAME": "podium", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, preexec_fn=bind)
    found: Json = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
