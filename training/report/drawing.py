"""Plots as SVG that lies inside a page: its colours are the page's own, so that light and dark both read well.

No text in a plot comes from a user: names of classes and runs stand in the page's legends.
"""

from __future__ import annotations

import io
import re

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Colours that no plot would use by chance; `svg` replaces each with the page's variable of that name.
INK, GRID, RIGHT, WRONG = "#000001", "#000002", "#000003", "#000004"
SERIES = ("#000011", "#000012", "#000013", "#000014", "#000015", "#000016")
VARIABLES = {INK: "ink", GRID: "grid", RIGHT: "right", WRONG: "wrong"} | {
    colour: f"c{place}" for place, colour in enumerate(SERIES, start=1)
}
DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (3, 1)), (0, (8, 2)))
WIDTH_IN, HEIGHT_IN = 4.7, 2.9


def axes(x: str, y: str, *, height_in: float = HEIGHT_IN) -> tuple[Figure, Axes]:
    """An empty plot with the page's look."""
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    plot = figure.add_subplot()
    plot.set_xlabel(x, color=INK, fontsize=9)
    plot.set_ylabel(y, color=INK, fontsize=9)
    plot.tick_params(colors=INK, labelsize=8.5, length=3, width=0.6)
    plot.grid(visible=True, color=GRID, linewidth=0.6)
    plot.set_axisbelow(True)
    for side, spine in plot.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(INK)
        spine.set_linewidth(0.6)
    return figure, plot


def svg(figure: Figure, title: str) -> str:
    """The plot as an `<svg>` element for a page; `title` is what a screen reader says. The same plot, the same text."""
    written = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": title}):
        figure.savefig(written, format="svg", transparent=True)
    text = written.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = (
        re.sub(r'\s(?:xmlns(?::xlink)?|width|height|version)="[^"]*"', "", text[: text.index(">")])
        + text[text.index(">") :]
    )
    for colour, name in VARIABLES.items():
        text = text.replace(colour, f"var(--{name})")
    return text.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
