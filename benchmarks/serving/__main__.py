"""Model servers side by side on this machine, and the raw limit of decode + forward, in one run.

    python -m benchmarks.serving --archive MODEL.mar --photos FOLDER

Writes serving.json, serving.md and images/serving.svg and .png to --out. The other servers, TorchServe's stock handler and
the plot need .venv-benchmarks (`make benchmarks`). About 15 minutes on two quiet cores.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.serving import machine, report
from benchmarks.serving.goals import goals
from benchmarks.serving.measuring import Measuring, say
from benchmarks.serving.photos import read_photos
from benchmarks.serving.run import Run
from benchmarks.serving.servers import torchserve
from benchmarks.serving.servers.launch import ROOT
from benchmarks.serving.suite import ENGINES, OTHER_ENGINES, SERVERS, Suite

PEERS = ROOT / ".venv-benchmarks" / "bin" / "python"
OUT = ROOT / "docs" / "results"
OURS = ("torch", "torchvision", "openvino", "torchserve", "aiohttp")  # whose versions the page names
THEIRS = ("fastapi", "uvicorn", "litserve", "bentoml", "ray")


def main() -> None:
    """Measure, and write the results."""
    arguments = _arguments()
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit("stopped")
    )  # by an exception, so that the servers are stopped, too
    photos = read_photos(arguments.photos)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="serving-") as scratch:
        folder = torchserve.unpack(arguments.archive, Path(scratch) / "model")
        run = _new_run(folder, photos, arguments.peers)
        measuring = Measuring(photos, {}, arguments.seconds, arguments.warm, arguments.tries, run.rows)
        suite = Suite(
            run, measuring, arguments.archive.resolve(), folder, arguments.photos.resolve(), Path(scratch),
            arguments.peers.absolute(), arguments.cores, sorted(arguments.concurrency),
        )  # fmt: skip
        try:
            suite.measure(arguments.servers, arguments.engines)
        finally:
            run.minutes = round((time.monotonic() - began) / 60, 1)
            write(run, arguments.out, arguments.peers)


def write(run: Run, out: Path, peers: Path) -> None:
    """Write the JSON, the page and the plot, and print the goals on stderr."""
    out.mkdir(parents=True, exist_ok=True)
    found = [{**vars(goal), "met": goal.met} for goal in goals(run)]
    document = out / "serving.json"
    document.write_text(json.dumps({**run.document(), "goals": found}, indent=1) + "\n", encoding="utf-8")
    (out / "serving.md").write_text(report.page(run), encoding="utf-8")
    if run.rows:
        subprocess.run(
            [peers, "-m", "benchmarks.serving.plot", str(document.resolve()), str((out / "images").resolve())],
            cwd=ROOT,
            check=False,
        )
    for goal in goals(run):
        say(f"{'reached ' if goal.met else 'MISSED  '} {goal.text}: {goal.reached:.2f} ({goal.bound} {goal.wanted:g})")


def _new_run(folder: Path, photos: Sequence[bytes], peers: Path) -> Run:
    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    return Run(
        command="python -m benchmarks.serving " + " ".join(_shown(argument) for argument in sys.argv[1:]),
        began_at=time.strftime("%Y-%m-%d"),
        machine=machine.facts(),
        versions={name: metadata.version(name) for name in OURS} | _versions(peers),
        model={
            "architecture": model["architecture"],
            "classes": len(model["classes"]),
            "input": model["preprocessing"]["input_size"][-1],
            "int8_gate": _int8_gate(model["engines"]),
        },
        photos={"count": len(photos), "kilobytes": round(sum(map(len, photos)) / len(photos) / 1000, 1)},
    )


def _int8_gate(engines: Sequence[dict[str, Any]]) -> str:
    """The gate that int8 passed when the archive was packaged."""
    gates = (engine for engine in engines if engine.get("agreement") is not None)
    words = (
        f"its int8 names fp32's class for {gate['agreement']:.1%} of {gate['held_out']:,} held-out photos"
        for gate in gates
    )
    return next(words, "")


def _shown(argument: str) -> str:
    """The command with only the last part of each path: the folders of this machine are nobody else's concern."""
    return Path(argument).name if Path(argument).is_absolute() else argument


def _versions(peers: Path) -> dict[str, str]:
    ask = f"import json, importlib.metadata as m; print(json.dumps({{n: m.version(n) for n in {THEIRS!r}}}))"
    answer = subprocess.run([peers, "-c", ask], capture_output=True, text=True, check=False)
    found: dict[str, str] = json.loads(answer.stdout) if answer.returncode == 0 else {}
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--archive", type=Path, required=True, help="a .mar of Podium's, with its engines")
    parser.add_argument("--photos", type=Path, required=True, help="a folder; its first 64 photos are sent in rotation")
    parser.add_argument("--servers", type=_words(SERVERS), default=list(SERVERS), help=", ".join(SERVERS))
    parser.add_argument(
        "--engines", type=_words((*ENGINES, *OTHER_ENGINES)), default=list(ENGINES),
        help=f"{', '.join(ENGINES)} (the default); {', '.join(OTHER_ENGINES)}",
    )  # fmt: skip
    parser.add_argument("--concurrency", type=lambda text: [int(n) for n in text.split(",")], default=[1, 4, 16])
    parser.add_argument("--seconds", type=float, default=8, help="of each window")
    parser.add_argument("--warm", type=float, default=2, help="seconds before each window that do not count")
    parser.add_argument("--tries", type=int, default=3, help="windows at most, if others use the machine")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="workers, and processes of the raw limit")
    parser.add_argument("--peers", type=Path, default=PEERS, help="the Python of .venv-benchmarks")
    parser.add_argument("--out", type=Path, default=OUT)
    return parser.parse_args()


def _words(known: Sequence[str] = ()) -> Any:  # noqa: ANN401 - argparse's own type
    def words(text: str) -> list[str]:
        given = text.split(",")
        if known and (unknown := set(given) - set(known)):
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))} is not known; known are {', '.join(known)}")
        return given

    return words


if __name__ == "__main__":
    main()
