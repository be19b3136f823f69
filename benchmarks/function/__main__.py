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
from podium.costs.assumptions import Assumptions
from podium.costs.deployments import core_resources
from podium.costs.function_time import dollars_of
from podium.costs.measured import VCPU_MB, batch_seconds
from podium.costs.prices import load_prices
from podium.planned.resources import Resource

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "docs" / "results"
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


def dollars_a_million(rows: Sequence[Mapping[str, Any]]) -> float:
    """Of the classify function alone, warm, for batches of 20 images; from an archive's rows on 1 and on 2 CPUs."""
    function = deployed()
    seconds = batch_seconds(rows, function.properties["MemorySize"]) + Assumptions().beside_ms / 1000
    return dollars_of(load_prices().prices, function, seconds) / BATCH * 1e6


def deployed() -> Resource:
    """The classify function that holds the model, as template.yaml makes it."""
    return next(it for it in core_resources("function", load_prices().region) if it.logical == "ClassifyFunction")


def page(rows: Sequence[Mapping[str, Any]], facts: Mapping[str, Any], command: str) -> Iterator[str]:
    """The page, in Markdown."""
    prices, memory = load_prices(), deployed().properties["MemorySize"]
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
        f" the fetch from S3 comes on top. Then batches of {BATCH} images. Medians. *$/million* is arithmetic, not a bill: of the function alone,"
        f" {memory:,} MB at {prices.prices.lambda_x86_gb_seconds.each:.10f} dollars a GB-second ({prices.region}, {prices.checked}), with"
        f" {Assumptions().beside_ms:.0f} ms an invocation, an assumption, for everything beside the model. Lambda gives a vCPU for {VCPU_MB:,} MB, so the"
        f" {memory / VCPU_MB:.2f} vCPUs of this function lie between the rows of 1 and 2 CPUs. A vCPU of Lambda is slower than a core of this machine: expect more."
    )
    yield ""
    cells = [
        (
            it["archive"], it["engine"], it["cpus"], f"{it['import_s']:.2f}", f"{it['load_s']:.2f}",
            f"{BATCH / it['batch_s']:.0f}", f"{it['parent_peak_bytes'] / 1e6:.0f} + {it['reader_peak_bytes'] / 1e6:.0f}",
            f"{dollars_a_million([row for row in rows if row['archive'] == it['archive']]):.2f}" if it["cpus"] == 2 else "",
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
