"""The run as a picture: a group of bars for each model.

python -m benchmarks.training.plot docs/results/training-speed.json docs/results/images
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from benchmarks.training.run import LIMIT, OURS, TIMM, Run

INK, FAINT = "#22272e", "#8a929b"
COLOURS = {OURS: "#d1495b", TIMM: "#9fb3c8"}
NAMES = {OURS: "Podium", TIMM: "timm's train.py"}


def draw(run: Run, path: Path) -> Path:
    """Write the picture to `path`, in the format of its name."""
    mpl.use("Agg")
    mpl.rcParams.update({"font.size": 9, "axes.edgecolor": FAINT, "text.color": INK, "svg.hashsalt": "podium"})
    models = run.models()
    figure, panels = plt.subplots(
        len(models), 1, figsize=(8, 0.35 + 0.8 * len(models)), squeeze=False, layout="constrained"
    )
    for model, panel in zip(models, panels[:, 0], strict=True):
        _panel(run, model, panel)
    settings = run.config()
    panels[-1, 0].set_xlabel(
        f"images a second, as a share of the limit ({settings['image_size']} px, batch {settings['batch_size']}, {settings['precision']},"
        f" {settings['device']})"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)
    return path


def _panel(run: Run, model: str, panel: Any) -> None:  # noqa: ANN401 - matplotlib brings no types
    limit = run.images_per_s(model, LIMIT)
    trainers = [trainer for trainer in (TIMM, OURS) if run.images_per_s(model, trainer)]
    for place, trainer in enumerate(trainers):
        ratio, speed = run.ratio(model, trainer, LIMIT), run.images_per_s(model, trainer)
        if ratio is None:
            continue
        panel.barh(place, ratio.median, color=COLOURS[trainer], height=0.68)
        panel.plot([ratio.least, ratio.most], [place, place], color=INK, linewidth=1)
        panel.annotate(
            f"{speed:.1f}", (0, place), xytext=(5, 0), textcoords="offset points", va="center", fontweight="bold",
            color="white" if trainer == OURS else INK,
        )  # fmt: skip
    panel.axvline(1, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    panel.set_title(model, loc="left", fontweight="bold", color=INK)
    if limit:
        panel.set_title(
            f"dashed: the limit, {limit:.1f}; line: least to most of a round", loc="right", color=INK, fontsize=8
        )
    panel.set_yticks(range(len(trainers)), [NAMES[trainer] for trainer in trainers], fontsize=8)
    panel.set_xlim(0, max(1.15, panel.get_xlim()[1]))
    panel.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(axis="y", length=0)


def main() -> None:
    """Draw the run that lies in a JSON file."""
    source, folder = map(Path, sys.argv[1:])
    document = json.loads(source.read_text(encoding="utf-8"))
    print(draw(Run.of(document), folder / f"{source.stem}.svg"))  # noqa: T201


if __name__ == "__main__":
    main()
