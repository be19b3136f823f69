"""A batch on its way: bars on stderr while it is uploaded and watched, and how far it is, for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from podium.batches.drop import PlannedUpload, drop
from podium.batches.watch import BatchProgress, check_finished, watch
from podium.connection import Connection
from podium.shown.console import print_json, print_note
from podium.shown.progress import counting


def show_drop(connection: Connection, uploads: Sequence[PlannedUpload]) -> None:
    """Drop one batch's files."""
    with counting() as count:
        drop(connection, uploads, datetime.now(UTC), lambda done: count("uploading", done, len(uploads)))


def show_watch(connection: Connection, batch: str, *, timeout_s: float | None = None, as_json: bool = False) -> None:
    """Watch a batch; with `as_json`, say on stdout how far it is at the end.

    ConsoleError (exit code 3) when images still wait: the time was up.
    """
    last = show_progress(watch(connection, batch, timeout_s=timeout_s), connection)
    if as_json:
        print_json(progress_document(batch, last))
    check_finished(last, batch, timeout_s)


def show_progress(watched: Iterable[BatchProgress], connection: Connection) -> BatchProgress:
    """Draw a batch's progress until the watch ends, and return the last of it; notes say once that the server is down, and
    which images wait for long.
    """
    warned = named = False
    with counting() as count:
        for now in watched:
            if now.waiting and not warned and connection.server_is_down:
                warned = True
                print_note(
                    "  the model server does not answer: images wait in the queue, none is lost. `podium up` starts it."
                )
            if now.stuck and not named:
                named = True
                print_note(stuck_sentence(now, local=connection.local))
            count("classifying", now.total - now.waiting, now.total, progress_note(now))
    return now


def stuck_sentence(now: BatchProgress, *, local: bool) -> str:
    """Which images wait, and what is known about them."""
    others = f" and {now.waiting - len(now.stuck)} others" if now.waiting > len(now.stuck) else ""
    sentence = f"  still waiting: {', '.join(map(repr, now.stuck))}{others}."
    if local and any("\n" in image for image in now.stuck):
        sentence += " The embedded AWS lets no function read a key with a line feed, and AWS does: upload it under another name."
    return sentence


def progress_note(now: BatchProgress) -> str:
    """The counts, rate and time left beside the bar."""
    parts = [f"{now.classified} classified, {now.rejected} rejected, {now.waiting} waiting"]
    if now.waiting and now.rate_per_s:
        parts.append(f"{now.rate_per_s:.1f} images/s, {hours(now.seconds_left or 0)} left")
    elif now.waiting and now.in_flight + now.queued:
        parts.append(f"queue: {now.queued} to do, {now.in_flight} taken")
    return "; ".join(parts)


def hours(seconds: int) -> str:
    """The seconds as h:mm:ss."""
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def progress_document(batch: str, now: BatchProgress) -> dict[str, object]:
    """How far a batch is, for JSON."""
    return {
        "batch": batch,
        "total": now.total,
        "classified": now.classified,
        "rejected": now.rejected,
        "waiting": now.waiting,
        "rate_per_s": None if now.rate_per_s is None else round(now.rate_per_s, 1),
        "seconds_left": now.seconds_left,
    }
