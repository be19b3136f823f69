"""A run as one page: the result for each goal, then every row, with machine and command."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from benchmarks.serving.goals import COMPILED, Goal, goals
from benchmarks.serving.rows import Row, errors
from benchmarks.serving.run import Run

PLOT = "images/serving.svg"


def page(run: Run) -> str:
    """The page, in Markdown."""
    parts = [
        "# Serving: what was measured",
        _setup(run),
        "```\n" + run.command + "\n```",
        f"![Images a second, by server and number of clients]({PLOT})",
        "## Against the goals",
        "Ratios within this one run. A goal that was not reached says so.",
        _goals(goals(run)),
        "## The raw limit: decode + forward, no server",
        "Measured before each engine's servers and again after them; the faster of the two counts.",
        _limits(run),
        "## Every row",
        "A closed loop: each client sends its next request when it has its answer. Memory is proportional (PSS), of all of the server's"
        " processes and of one worker. *Others* is what else used the CPU; a row over 0.15 was measured again, and the least"
        " disturbed window stands here. *Same class* is the share of the photos whose best class is the engine's own without a server.",
        _rows(run),
        *_compiled(run),
        "## Decode and resize, one thread",
        _decoding(run),
        "## At the edges",
        _edges(run),
    ]
    if run.skipped:
        parts += ["## Not measured", "\n".join(f"- {reason}" for reason in run.skipped)]
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join("" if cell is None else str(cell) for cell in line) + " |" for line in lines)


def _setup(run: Run) -> str:
    machine, photos, model = run.machine, run.photos, run.model
    gate = f", {model['int8_gate']}" if model.get("int8_gate") else ""
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    return (
        f"Machine: {machine['cores']} cores of {machine['cpu']} ({', '.join(machine['instructions'])}), {machine['memory_gib']} GiB,"
        f" {machine['system']}. Model: {model['architecture']}, {model['classes']} classes, {model['input']} pixels{gate}."
        f" {photos['count']} photos in rotation, {photos['kilobytes']} KB each on average."
        f" {run.began_at}, {run.minutes:.0f} minutes in all. {versions}."
    )


def _goals(found: Sequence[Goal]) -> str:
    return table(
        ("goal", "wanted", "reached", ""),
        (
            (goal.text, f"{goal.bound} {goal.wanted:g}", f"{goal.reached:.2f}", "yes" if goal.met else "**no**")
            for goal in found
        ),
    )


def _limits(run: Run) -> str:
    head = ("engine", "processes", "images/s", "decode ms", "forward ms, batch 8", "one image alone, ms", "others")
    return table(
        head,
        (
            (
                each.engine,
                each.processes,
                each.images_per_s,
                each.decode_ms,
                each.forward_ms,
                each.alone_ms,
                each.others_cores,
            )
            for each in run.limits
        ),
    )


def _rows(run: Run) -> str:
    head = [
        "server",
        "engine",
        "setting",
        "clients x images",
        "images/s",
        "of the limit",
        "p50 ms",
        "p99 ms",
        "not 200",
    ]
    head += ["same class", "server cores", "client cores", "others", "memory MB (a worker)"]
    return table(head, (_row(run, row) for row in run.rows))


def _row(run: Run, row: Row) -> tuple[object, ...]:
    limit = run.limit(row.engine)
    share = f"{row.images_per_s / limit.images_per_s:.2f}" if limit else ""
    same = "" if row.same_label is None else f"{row.same_label:.0%}"
    return (
        row.server, row.engine, row.setting, f"{row.concurrency} x {row.images_per_request}", row.images_per_s, share, row.p50_ms,
        row.p99_ms, errors(row), same, row.server_cores, row.client_cores, row.others_cores, f"{row.memory_mb} ({row.worker_mb})",
    )  # fmt: skip


def _compiled(run: Run) -> list[str]:
    """The stock handler with torch.compile: nobody's default, but a reader should see its speed."""
    rows = [row for row in run.rows if row.server == COMPILED]
    if not rows:
        return []
    best = max(row.images_per_s for row in rows)
    ours = [(engine, row) for engine in [each.engine for each in run.limits] if (row := run.single("podium", engine))]
    ratios = ", ".join(f"{row.images_per_s / best:.1f}x in {engine}" for engine, row in ours if best)
    return [f"Against the stock handler with torch.compile, frozen weights and a tuned malloc: {ratios}."]


def _decoding(run: Run) -> str:
    head = ["photo", "KB", "stock transform ms", "ours ms", "ratio", "largest difference of 255"]
    if any("largest_change" in each for each in run.decoding):
        head.append("largest change of a probability")
    return table(head, (tuple(each.values()) for each in run.decoding))


def _edges(run: Run) -> str:
    names = sorted({*run.neighbours, *run.stops})
    edges = table(
        ("server", "good images of 16 requests at once, 4 of them bad, 3 times: lost", "the same in one request: lost",
         "planned stop under load: lost", "said no (503)"),
        (
            (
                name,
                _of(run.neighbours.get(name, {}), "lost", "good"),
                _of(run.neighbours.get(name, {}), "lost_in_one_request", "good_in_one_request"),
                run.stops.get(name, {}).get("lost", ""),
                run.stops.get(name, {}).get("said_no", ""),
            )
            for name in names
        ),
    )  # fmt: skip
    starts = table(
        ("start to READY", "s, median", "starts"),
        ((name, f"{statistics.median(times):.1f}", len(times)) for name, times in run.ready_s.items()),
    )
    return f"{edges}\n\nFrom the start of the process until every worker answers; files in the page cache.\n\n{starts}"


def _of(counts: dict[str, int], lost: str, good: str) -> str:
    return f"{counts[lost]} of {counts[good]}" if lost in counts else ""
