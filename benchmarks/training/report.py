"""A run as one page: the result for each goal, every model, with machine and command."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.serving.report import table
from benchmarks.training.run import LIMIT, OURS, TIMM, Ratio, Run

PLOT = "images/training-speed.svg"
WANTED = {TIMM: 1.0, LIMIT: 0.95}
WORDS = {TIMM: "timm's train.py", LIMIT: "the limit"}


@dataclass(frozen=True)
class Goal:
    """One goal and its result."""

    text: str
    wanted: float
    reached: float

    @property
    def met(self) -> bool:
        """Whether the goal was reached, by the figure as it is printed."""
        return round(self.reached, 2) >= self.wanted


def goals(run: Run) -> Iterator[Goal]:
    """Every goal for which this run has a figure."""
    for model in run.models():
        for other, wanted in WANTED.items():
            if ratio := run.ratio(model, OURS, other):
                yield Goal(f"{model}: images a second against {WORDS[other]}", wanted, ratio.median)


def page(run: Run) -> str:
    """The page, in Markdown."""
    parts = [
        "# Training speed: what was measured",
        _setup(run),
        "```\n" + run.command + "\n```",
        f"![Images a second, by model and trainer]({PLOT})",
        "Images a second, the median of the rounds. Ratios are the median of each round's own ratio, with the least and the most, since"
        " the machine is not equally fast at all times.",
        _models(run),
        "## Against the goals",
        table(
            ("goal", "wanted", "reached", ""),
            (
                (goal.text, f">= {goal.wanted:g}", f"{goal.reached:.2f}", "yes" if goal.met else "**no**")
                for goal in goals(run)
            ),
        ),
        "## How",
        _how(run),
    ]
    if run.skipped:
        parts += ["## Not measured", "\n".join(f"- {reason}" for reason in run.skipped)]
    return "\n\n".join(parts) + "\n"


def _setup(run: Run) -> str:
    machine, settings = run.machine, run.config()
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    return (
        f"Machine: {machine['cores']} cores of {machine['cpu']} ({', '.join(machine['instructions'])}), {machine['memory_gib']} GiB,"
        f" {machine['gpu'] or 'no GPU'}, {machine['system']}. {settings['image_size']} pixels, batches of {settings['batch_size']},"
        f" {settings['precision']}, threads: {settings['threads']}, loader workers: {settings['workers']}, on {settings['device']}."
        f" {run.photos['different']} {'drawn balls' if run.photos['drawn'] else 'photos'}, {run.photos['kilobytes']} KB each on average, {run.photos['classes']} classes."
        f" {run.began_at}, {run.minutes:.0f} minutes in all. {versions}."
    )


def _models(run: Run) -> str:
    head = [
        "model",
        "Podium",
        "timm's train.py",
        "the limit",
        "Podium / timm",
        "Podium / the limit",
        "timm / the limit",
    ]
    return table(
        [*head, "others, cores"],
        (
            (
                model,
                *(_speed(run.images_per_s(model, trainer)) for trainer in (OURS, TIMM, LIMIT)),
                *(_share(run.ratio(model, *pair)) for pair in ((OURS, TIMM), (OURS, LIMIT), (TIMM, LIMIT))),
                f"{statistics.median(block.others_cores for block in run.blocks if block.model == model):.2f}",
            )
            for model in run.models()
        ),
    )


def _speed(images_per_s: float | None) -> str:
    return "" if images_per_s is None else f"{images_per_s:.1f}"


def _share(ratio: Ratio | None) -> str:
    return "" if ratio is None else f"{ratio.median:.2f} ({ratio.least:.2f} to {ratio.most:.2f})"


def _how(run: Run) -> str:
    turns = run.turns
    script = (
        f"**timm's train.py**, unmodified (sha256 begins with {run.timm_script}), by its own log line of every step, with the same photos,"
        " model, crops, loss, optimizer, precision, threads and workers; no validation, no averaged weights, no mixup, no colour jitter; with"
        " the system's own memory allocation, as it is when somebody starts it."
        if run.timm_script
        else "timm's train.py was not given (`--timm-train`), so its columns are empty."
    )
    parts = [
        "**Podium**: the loop of `podium train` on real photos, random crops and flips included, with the memory that it keeps on a CPU (so does the limit). "
        + _reading(run),
        script,
        "**The limit**: forward, loss, backward and update on one batch of random pixels that lies on the device, and nothing else.",
        f"Each is a process of its own. They take turns, and stand still (SIGSTOP, loader workers too) while another trains: {turns['rounds']}"
        f" rounds of {turns['steps']} timed steps each, after {turns['warm']} steps to warm up and one untimed step in every turn."
        " *Others* is what other processes used of the CPU meanwhile: much more than 0.1 disturbs the absolute figures, and the ratios less.",
    ]
    return "\n".join(f"- {part}" for part in parts)


def _reading(run: Run) -> str:
    first = next(iter(run.settled.values()), None)
    if first is None:
        return ""
    why = next(
        (reason for reason in first["reasons"] if reason.startswith("cache = ")), f"cache = {first['config']['cache']}"
    )
    return (
        f"{why}. Listing and reading {run.photos['count']} of them took {first['reading_s']} s before the first step, and is not in the"
        " figures; train.py decodes its photos again in every epoch."
    )
