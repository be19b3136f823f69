"""The run as a picture.

    python -m benchmarks.serving.plot docs/results/serving.json docs/results/images

Needs matplotlib, which only `.venv-benchmarks` has.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from benchmarks.serving.run import BUSY, Run

NAMES = {
    "podium": "Podium",
    "podium-handler": "Podium's handler\nin TorchServe alone",
    "fastapi": "FastAPI + uvicorn,\nbare batcher",
    "bentoml": "BentoML",
    "litserve": "LitServe",
    "ray": "Ray Serve",
    "torchserve-compiled": "TorchServe's handler,\nfp32, torch.compile",
    "torchserve": "TorchServe's handler,\nfp32",
}
INK, FAINT, OURS, OTHERS = "#22272e", "#8a929b", "#d1495b", "#9fb3c8"


def draw(run: Run, folder: Path) -> list[Path]:
    """Write serving.svg and serving.png into `folder`: one panel an engine, a bar a server, a dot a number of clients."""
    mpl.use("Agg")
    engines = [limit.engine for limit in run.limits if any(_bars(run, limit.engine))]
    mpl.rcParams.update({"font.size": 9, "axes.edgecolor": FAINT, "text.color": INK, "svg.hashsalt": "podium"})
    counts = [len(_bars(run, engine)) for engine in engines]
    figure, panels = plt.subplots(
        len(engines), 1, figsize=(8.5, 0.33 * sum(counts) + 0.75 * len(engines)), sharex=True, squeeze=False,
        gridspec_kw={"height_ratios": counts}, layout="constrained",
    )  # fmt: skip
    for engine, panel in zip(engines, panels[:, 0], strict=True):
        _panel(run, engine, panel)
    clients = (
        f"bar: {run.concurrency()} clients, one image a request; dot: fewer clients; diamond: many images a request"
    )
    panels[-1, 0].set_xlabel(f"images a second ({clients})")
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "serving.svg", folder / "serving.png"]
    figure.savefig(written[0], metadata={"Date": None})
    figure.savefig(written[1], dpi=130)
    plt.close(figure)
    return written


def _bars(run: Run, engine: str) -> list[str]:
    """The servers of an engine's panel, best last; the stock handler is in each panel, as the baseline."""
    servers = [name for name in NAMES if run.single(name, _engine(name, engine))]
    alone = not {*servers} - {"torchserve", "torchserve-compiled"}
    return [] if alone else sorted(servers, key=lambda name: _images_per_s(run, name, engine))


def _engine(server: str, engine: str) -> str:
    return "torch-fp32" if server.startswith("torchserve") else engine


def _images_per_s(run: Run, server: str, engine: str) -> float:
    row = run.single(server, _engine(server, engine))
    return row.images_per_s if row else 0.0


def _panel(run: Run, engine: str, panel: Any) -> None:  # noqa: ANN401 - matplotlib is imported only when it draws
    servers = _bars(run, engine)
    rates = [_images_per_s(run, server, engine) for server in servers]
    colours = [OURS if server.startswith("podium") else OTHERS for server in servers]
    panel.barh(range(len(servers)), rates, color=colours, height=0.62)
    limit = run.limit(engine)
    if limit:
        panel.axvline(limit.images_per_s, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        says = f"dashed: decode + forward without a server, {limit.images_per_s:.0f}"
        panel.set_title(says, loc="right", color=INK, fontsize=8)
    for place, (server, rate) in enumerate(zip(servers, rates, strict=True)):
        panel.annotate(
            f"{rate:.0f}", (0, place), xytext=(5, 0), textcoords="offset points", ha="left", va="center", fontweight="bold",
            color="white" if server.startswith("podium") else INK,
        )  # fmt: skip
        _dots(run, server, engine, place, panel)
    panel.set_yticks(range(len(servers)), [NAMES[server] for server in servers], fontsize=8)
    panel.set_title(engine, loc="left", fontweight="bold", color=INK)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(axis="y", length=0)


def _dots(run: Run, server: str, engine: str, place: int, panel: Any) -> None:  # noqa: ANN401
    best = run.single(server, _engine(server, engine))
    for row in run.rows:
        if (row.server, row.engine) != (server, _engine(server, engine)) or row is best or BUSY in row.setting:
            continue
        if row.images_per_request > 1:
            panel.plot(row.images_per_s, place, "D", color=INK, markersize=5)
        elif best and row.setting == best.setting and row.concurrency < best.concurrency:
            panel.plot(row.images_per_s, place, "o", color="white", markeredgecolor=INK, markersize=4)


def main() -> None:
    """Draw the run that lies in a JSON file."""
    source, folder = map(Path, sys.argv[1:])
    for path in draw(Run.of(json.loads(source.read_text(encoding="utf-8"))), folder):
        print(path)  # noqa: T201


if __name__ == "__main__":
    main()
