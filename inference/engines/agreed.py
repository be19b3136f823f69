"""One choice of an engine for all workers of a server: made by one of them, recorded, and kept for the next start.

A file for each model and kind of machine. Who chooses holds it exclusively; who serves by it holds it shared, until its
process ends. So nobody measures beside another one, and no choice is replaced while anybody serves by it.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MORE_BYTES = 2**16  # than any record has
WAIT_S = 10.0  # for the workers that serve by a choice to end, before this one gives up
PAUSE_S = 0.05


class CannotRecord(Exception):
    """The folder of the choices cannot be written to: the sentence says why."""


class NotAgreed(Exception):
    """The engine that the other workers serve with cannot be used by this one: the sentence says why."""


@dataclass(frozen=True)
class Choice:
    """What is recorded: the engine's name, why it is not the configured one, and milliseconds for one image of each."""

    engine: str
    fallback: str | None = None
    measured_ms: Mapping[str, float] = field(default_factory=dict)


class Agreement:
    """A worker's hold on the choice, as long as it lives. Raises CannotRecord if there is no record and can be none."""

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._writable = True
        except OSError as error:
            self._writable = False
            try:
                self._descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                raise CannotRecord(f"{file} cannot be written ({error.strerror})") from error

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)

    def reach[Loaded](
        self, load: Callable[[Choice], Loaded | str], choose: Callable[[], tuple[Loaded, Choice]],
        about: Mapping[str, Any], wait_s: float | None = None,
    ) -> tuple[Loaded, Choice]:  # fmt: skip
        """What the recorded choice loads; `choose` makes one if there is none, or none that can be loaded and nobody serves by.

        `load` gives a sentence if the choice cannot be loaded. A fallback is recorded for the other workers, and tried anew
        when nobody serves by it. Raises NotAgreed, and CannotRecord if a choice could not be written.
        """
        problem, failed = f"{self.file} holds no choice, and other workers serve by one.", None
        until_s = time.monotonic() + (WAIT_S if wait_s is None else wait_s)
        while True:
            if self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB):
                choice = self._read()
                if choice is None or choice == failed or (choice.fallback and self._writable):
                    self._check_writable()
                    loaded, choice = choose()
                    self._write(choice, about)
                    self._lock(fcntl.LOCK_SH)
                    return loaded, choice
            self._lock(fcntl.LOCK_SH)  # waits while another worker chooses
            choice = self._read()
            if choice is not None and choice != failed:
                found = load(choice)
                if not isinstance(found, str):
                    return found, choice
                problem, failed = found, choice
            self._lock(fcntl.LOCK_UN)
            if time.monotonic() > until_s:
                raise NotAgreed(problem)
            time.sleep(PAUSE_S * (1 + random.random()))  # noqa: S311 - so that two workers do not stay in step

    def _lock(self, how: int) -> bool:
        """Whether the lock is held now. The system drops it when this process ends, however it ends."""
        try:
            fcntl.flock(self._descriptor, how)
        except BlockingIOError:
            return False
        except OSError as error:  # a file system without locks
            raise CannotRecord(f"{self.file} cannot be locked ({error.strerror})") from error
        return True

    def _read(self) -> Choice | None:
        """The recorded choice; None if there is none, or the file is damaged."""
        try:
            document = json.loads(os.pread(self._descriptor, MORE_BYTES, 0))
            engine, fallback = document["engine"], document["fallback"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        except OSError as error:
            raise CannotRecord(f"{self.file} cannot be read ({error.strerror})") from error
        if not isinstance(engine, str) or not isinstance(fallback, str | None):
            return None
        return Choice(engine, fallback)

    def _check_writable(self) -> None:
        if not self._writable:
            raise CannotRecord(f"{self.file} cannot be written")

    def _write(self, choice: Choice, about: Mapping[str, Any]) -> None:
        document = {"engine": choice.engine, "fallback": choice.fallback, "measured_ms": choice.measured_ms, **about}
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps(document, indent=1).encode() + b"\n", 0)
            os.fsync(self._descriptor)
        except OSError as error:
            raise CannotRecord(f"{self.file} cannot be written ({error.strerror})") from error
