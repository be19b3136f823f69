"""The document as pictures.

python -m benchmarks.scaling.plot docs/results/scaling.json docs/results/images
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from benchmarks.scaling.shapes import BEFORE, CPU_ALWAYS, FUNCTION, GPU_ALWAYS, GPU_TO_ZERO

INK, FAINT = "#22272e", "#8a929b"
STYLES = {  # colour, marker, dashes: told apart without colours, too
    FUNCTION: ("#2f6690", "o", (0, ())),
    GPU_TO_ZERO: ("#d1495b", "s", (0, ())),
    BEFORE: ("#9fb3c8", "X", (0, ())),
    GPU_ALWAYS: ("#8a6d3b", "^", (0, (5, 2))),
    CPU_ALWAYS: ("#4b7f52", "D", (0, (1, 1.5))),
}
NAMES = {GPU_TO_ZERO: "now", BEFORE: "before"}
Json = Mapping[str, Any]
Panel = Any  # matplotlib brings no types


def draw(found: Json, folder: Path) -> list[Path]:
    """Write the three pictures into `folder`."""
    mpl.use("Agg")
    mpl.rcParams.update({"font.size": 9, "axes.edgecolor": FAINT, "text.color": INK, "svg.hashsalt": "podium"})
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, make in (("day", _day), ("wake", _wake), ("shapes", _shapes)):
        figure = make(found)
        written.append(folder / f"scaling-{name}.svg")
        figure.savefig(written[-1], metadata={"Date": None})
        plt.close(figure)
    return written


def _day(found: Json) -> Panel:
    figure, panels = plt.subplots(3, 1, figsize=(7.5, 7), layout="constrained", height_ratios=(2, 1.1, 2))
    waiting, wanted, night = panels
    for shape in (FUNCTION, GPU_TO_ZERO, GPU_ALWAYS, CPU_ALWAYS):
        colour, _, dashes = STYLES[shape]
        line = {"color": colour, "linestyle": dashes, "linewidth": 1.4, "label": shape}
        day, drop = found["day"][shape], found["night"][shape]
        waiting.plot([it[0] for it in day], [max(it[1], 1) for it in day], **line)
        night.plot([it[0] for it in drop], [it[1] / 1000 for it in drop], **line)
    waiting.set_yscale("log")
    waiting.set_title("day: images waiting", loc="left", fontweight="bold")
    wanted.sharex(waiting)
    for shape in (BEFORE, GPU_TO_ZERO):
        trace = found["day"][shape]
        line = {"color": STYLES[shape][0], "linewidth": 1.2, "label": NAMES[shape]}
        wanted.step([it[0] for it in trace], [it[2] for it in trace], where="post", **line)
    wanted.set_title("day: GPUs wanted", loc="left", fontweight="bold")
    wanted.set_yticks(range(3))
    wanted.set_ylim(-0.15, 3.1)
    wanted.legend(frameon=False, loc="upper left", ncols=2)
    wanted.set_xlabel("hours")
    night.set_title("night: images waiting, thousands", loc="left", fontweight="bold")
    night.set_xlabel("minutes after the first of half a million images")
    night.legend(frameon=False, loc="upper right")
    for panel in panels:
        _plain(panel)
    return figure


def _wake(found: Json) -> Panel:
    figure, panels = plt.subplots(2, 1, figsize=(7.5, 3.4), sharex=True, layout="constrained")
    for shape, panel in zip((BEFORE, GPU_TO_ZERO), panels, strict=True):
        steps = [[-5, 0], *found["wake"][shape]["wanted"], [60, None]]
        steps[-1][1] = steps[-2][1]
        ready = found["wake"][shape]["ready"]
        panel.fill_between(
            [it[0] for it in ready], [it[1] for it in ready], step="post", color=FAINT, alpha=0.25, linewidth=0
        )
        panel.step(
            [it[0] for it in steps], [it[1] for it in steps], where="post", color=STYLES[shape][0], linewidth=1.6
        )
        panel.set_title(f"GPUs wanted, {NAMES[shape]}", loc="left", fontweight="bold")
        panel.set_title("shaded: those that answer", loc="right", fontsize=8)
        panel.set_yticks(range(3))
        panel.set_ylim(-0.15, 2.3)
        panel.set_xlim(-5, 60)
        _plain(panel)
    panels[-1].set_xlabel("minutes after 20,000 images came to a queue that had long been empty")
    return figure


def _shapes(found: Json) -> Panel:
    workloads = list(dict.fromkeys(row["workload"] for row in found["rows"]))
    columns = 2
    figure, panels = plt.subplots(
        -(-len(workloads) // columns), columns, figsize=(7.5, 9), sharex=True, sharey=True, layout="constrained"
    )
    for workload, panel in zip(workloads, panels.flat, strict=False):
        for row in (it for it in found["rows"] if it["workload"] == workload):
            colour, marker, _ = STYLES[row["shape"]]
            panel.plot(
                row["dollars"],
                row["p95_s"],
                marker,
                color=colour,
                markersize=8,
                markeredgecolor=INK,
                markeredgewidth=0.6,
                label=row["shape"],
            )
        panel.set_title(f"{workload}: {row['images']:,} images", loc="left", fontweight="bold")
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        panel.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        panel.grid(color=FAINT, alpha=0.25, linewidth=0.5)
        _plain(panel)
    for panel in panels.flat[len(workloads) :]:
        panel.set_visible(False)
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="lower right", bbox_to_anchor=(0.96, 0.09))
    figure.supxlabel("dollars of 30 hours")
    figure.supylabel("seconds until 95 % had their result")
    return figure


def _plain(panel: Panel) -> None:
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(colors=INK)


def main() -> None:
    """Draw the document that lies in a JSON file."""
    source, folder = map(Path, sys.argv[1:])
    for path in draw(json.loads(source.read_text(encoding="utf-8")), folder):
        print(path)  # noqa: T201


if __name__ == "__main__":
    main()
