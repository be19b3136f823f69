"""Progress on stderr: a live line on a terminal, a plain line every few seconds anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from inference.harmless import harmless
from podium.shown.console import notes, print_note, visible

if TYPE_CHECKING:
    from training.practice_set import Drawn

PLAIN_EVERY_S = 5.0  # a log or a pipe gets a line this often
OnNote = Callable[[str], None]


class OnCount(Protocol):
    """`count("uploading", 3, 60, "a note")`."""

    def __call__(self, what: str, done: int, total: int, note: str = "") -> None:
        """Show that so many are done."""


@contextmanager
def section(title: str) -> Iterator[None]:
    """A part of a longer story: its title, and its seconds at the end."""
    began = time.monotonic()
    notes.print(title, style="bold")
    yield
    notes.print(f"  done in {time.monotonic() - began:.1f} s", style="dim")


@contextmanager
def step(title: str) -> Iterator[OnNote]:
    """A section of unknown length."""
    with section(title), waiting("") as note:
        yield note


@contextmanager
def waiting(what: str) -> Iterator[OnNote]:
    """A spinner for work of unknown length; `note` changes its text."""
    began, text, over = time.monotonic(), what, Event()

    def seconds() -> str:
        return f"({time.monotonic() - began:.0f} s)"

    with notes.status(visible(what)) as spinner:

        def note(changed: str) -> None:
            nonlocal text
            text = harmless(changed)

        def show() -> None:
            while not over.wait(1.0 if notes.is_terminal else PLAIN_EVERY_S):
                if notes.is_terminal:
                    spinner.update(visible(f"{text} {seconds()}"))
                else:
                    print_note(f"  {text} {seconds()}")

        shower = Thread(target=show, daemon=True)
        shower.start()
        try:
            yield note
        finally:
            over.set()
            shower.join()


@contextmanager
def counting() -> Iterator[OnCount]:
    """Work that can be counted: a bar for each name on a terminal, one under the other; anywhere else, plain lines."""
    if not notes.is_terminal:
        yield _count_in_lines()
        return
    with _bar() as bar:
        tasks: dict[str, TaskID] = {}

        def count(what: str, done: int, total: int, note: str = "") -> None:
            what, note = harmless(what), harmless(note)
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total, note=note)
            bar.update(tasks[what], completed=done, total=total, note=note)

        yield count


def _count_in_lines(clock_s: Callable[[], float] = time.monotonic) -> OnCount:
    """A line every few seconds, and one when all is done, each whole."""
    last_line_s = clock_s()
    over: set[str] = set()

    def count(what: str, done: int, total: int, note: str = "") -> None:
        nonlocal last_line_s
        if what in over or (done < total and clock_s() - last_line_s <= PLAIN_EVERY_S):
            return
        last_line_s = clock_s()
        if done >= total:
            over.add(what)
        print_note(f"  {what} {done}/{total} {note}".rstrip())

    return count


def drawing(count: OnCount, what: str) -> Callable[[Drawn], None]:
    """Show drawn pictures on such a bar."""
    return lambda at: count(f"drawing {what}", at.done, at.total)


def _bar() -> Progress:
    return Progress(
        TextColumn("  {task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=notes,
        disable=not notes.is_terminal,  # it would end with an empty line
    )
