"""A rollout as a person reads it: its stage, both models side by side, and where they disagree; and for JSON."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipeline.rollout.comparison import Side
from pipeline.rollout.judgement import interval
from pipeline.rollout.tally import SIDES
from podium.care.rollout_seen import Seen
from podium.shown.console import answer, plain_table, visible
from podium.shown.results import short_name

BAND_NAMES = ("confidence below 50 %", "50 to 80 %", "80 to 95 %", "above 95 %")
WATCHED_EVERY_S = 2.0


def show_status(seen: Seen, now: datetime) -> None:
    """The whole rollout on stdout."""
    answer.print(status(seen, now))


def watch_status(look: Callable[[], Seen], now: Callable[[], datetime]) -> Seen:
    """Draw the rollout anew every other second until it ends, or somebody stops it; elsewhere than on a terminal, once at the end."""
    with Live(console=answer, auto_refresh=False) as live:
        for seen in _looks(look):
            live.update(status(seen, now()), refresh=True)
    return seen


def _looks(look: Callable[[], Seen]) -> Iterator[Seen]:
    while True:
        seen = look()
        yield seen
        if not seen.rollout.is_live or seen.is_permanent:
            return
        time.sleep(WATCHED_EVERY_S)


def status(seen: Seen, now: datetime) -> Group:
    """The facts, the two models side by side, and the latest disagreements."""
    parts: list[Table | Text] = [_facts(seen, now), visible(""), _side_by_side(seen)]
    if seen.disagreements:
        parts += [visible(""), _disagreements(seen)]
    return Group(*parts)


def _facts(seen: Seen, now: datetime) -> Table:
    rollout, tally = seen.rollout, seen.tally
    table = plain_table("", "", header=False)
    table.add_row("candidate", visible(f"{rollout.candidate.ref}, beside {rollout.replaces}"))
    table.add_row("stage", _stage(seen, now))
    asked = tally.compared + tally.errors
    wanted = f", {seen.lacking} more before the next stage" if rollout.is_live and seen.lacking else ""
    table.add_row("compared", f"{tally.compared} images in this stage{wanted}")
    if tally.compared:
        agreed = tally.compared - tally.disagreed
        style = "red" if any("disagree" in it for it in seen.broken) else ""
        table.add_row("same best class", visible(_share(agreed, tally.compared), style))
        table.add_row("current's best in its 3", _share(tally.counts["in_top3"], tally.compared))
    if asked:
        of = f"{tally.errors} of {asked}, {rollout.most_errors:.0%} are allowed"
        table.add_row("not answered", visible(of, "red" if tally.errors else ""))
    if tally.last_error:
        table.add_row("last error", visible(tally.last_error))
    if tally.counts["answered"]:
        table.add_row("answered by it", f"{tally.counts['answered']} images")
    for sentence in seen.broken:
        table.add_row("beyond its limit", visible(sentence, "red"))
    return table


def _stage(seen: Seen, now: datetime) -> Text:
    rollout = seen.rollout
    since = _ago((now - rollout.stage_at).total_seconds())
    compared = f"{rollout.compared_share:g} % of the images are compared"
    if rollout.stage == "rolled_back":
        return visible(f"rolled back by {rollout.ended_by}: {rollout.reason}", "yellow")
    if rollout.stage == "promoted" or seen.is_permanent:
        return visible(f"promoted: {rollout.candidate.ref} is the stack's model", "green")
    if seen.configured != rollout.replaces:
        return visible(f"nothing: the stack's model is {seen.configured} now. Roll it back.", "yellow")
    if rollout.stage == "shadow":
        return visible(f"shadow for {since}; {compared}")
    left = ", ".join(f"{it:g}" for it in rollout.weights if it > rollout.weight)
    then = f" (then {left})" if left else ""
    return visible(f"it answers {rollout.weight:g} %{then} for {since}; {compared}")


def _side_by_side(seen: Seen) -> Table:
    tally = seen.tally
    table = plain_table("", numbers=(seen.rollout.replaces, seen.rollout.candidate.ref))
    table.add_row("mean confidence", *[_percent(tally.mean_confidence(side)) for side in SIDES])
    table.add_row("uncertain", *[_percent(tally.uncertain(side)) for side in SIDES])
    for nth, name in enumerate(BAND_NAMES):
        table.add_row(name, *[str(tally.bands(side)[nth]) for side in SIDES])
    for name, share in (("request, p50", 0.5), ("request, p95", 0.95)):
        table.add_row(name, *[_ms(tally.latency_ms(side, share)) for side in SIDES])
    return table


def _disagreements(seen: Seen) -> Table:
    table = plain_table("they disagree on", seen.rollout.replaces, seen.rollout.candidate.ref)
    for one in seen.disagreements:
        table.add_row(visible(short_name(one.image)), visible(_side(one.current)), visible(_side(one.candidate)))
    return table


def _side(side: Side) -> str:
    if side.rejected:
        return f"rejected: {side.rejected}"
    return ", ".join(f"{it.label} {it.probability:.0%}" for it in side.predictions)


def _share(hits: int, of: int) -> str:
    low, high = interval(hits, of)
    return f"{hits / of:.1%} (95 % interval {low:.1%} to {high:.1%})"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _ms(ms: float | None) -> str:
    return "-" if ms is None else f"{ms:.0f} ms"


def _ago(seconds: float) -> str:
    minutes = int(seconds) // 60
    return (
        f"{minutes // 60} h {minutes % 60} min"
        if minutes >= 60
        else f"{minutes} min"
        if minutes
        else f"{seconds:.0f} s"
    )


def document(seen: Seen) -> dict[str, object]:
    """The same for JSON."""
    rollout, tally = seen.rollout, seen.tally
    agreed, of = tally.compared - tally.disagreed, tally.compared
    sides = {
        side: {
            "mean_confidence": tally.mean_confidence(side),
            "uncertain": tally.uncertain(side),
            "confidence_bands": list(tally.bands(side)),
            "request_ms_p50": tally.latency_ms(side, 0.5),
            "request_ms_p95": tally.latency_ms(side, 0.95),
        }
        for side in SIDES
    }
    return {
        **rollout.model_dump(mode="json"),
        "candidate": rollout.candidate.ref,
        "configured": seen.configured,
        "compared": of,
        "same_top1": agreed,
        "same_top1_share": agreed / of if of else None,
        "same_top1_interval": list(interval(agreed, of)),
        "in_top3": tally.counts["in_top3"],
        "errors": tally.errors,
        "mismatched": tally.counts["mismatched"],
        "answered": tally.counts["answered"],
        "last_error": tally.last_error,
        "lacking": seen.lacking,
        "beyond_limits": list(seen.broken),
        "models": sides,
        "disagreements": [one.model_dump(mode="json") for one in seen.disagreements],
    }
