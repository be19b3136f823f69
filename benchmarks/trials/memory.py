"""The most memory that each part of a home's stack holds, sampled while a trial runs."""

from __future__ import annotations

import threading
from collections import defaultdict
from types import TracebackType
from typing import Self

import psutil

from benchmarks import chaos

EVERY_S = 1.0
PARTS = {"the embedded AWS": "podium.local.front", "a function": "ministack-lambda-", "the proxy": "-m proxy",
         "TorchServe": "org.pytorch.serve", "a worker": "model_service_worker"}  # fmt: skip
CONSOLE = ("/podium drop", "/podium watch", "/podium results")


class Peaks:
    """Samples resident memory every second."""

    def __init__(self) -> None:
        self._most: defaultdict[str, int] = defaultdict(int)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def most_mb(self) -> dict[str, int]:
        """The largest process of each part, in megabytes."""
        return {part: round(most / 1e6) for part, most in sorted(self._most.items())}

    def _sample(self) -> None:
        while not self._over.wait(EVERY_S):
            for process in [*chaos.processes(""), *psutil.Process().children()]:
                try:
                    part, held = _part(" ".join(process.cmdline())), process.memory_info().rss
                except psutil.Error:
                    continue
                if part:
                    self._most[part] = max(self._most[part], held)


def _part(command: str) -> str | None:
    if any(word in command for word in CONSOLE):
        return "the console"
    return next((part for part, word in PARTS.items() if word in command), None)
