"""How many bytes of images are in memory, from the first that was read to the answer. No I/O."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class MemoryFull(Exception):
    """The images in memory leave no room for more: to be sent again later."""


class Memory:
    """A number of bytes that all requests share."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0

    def has_room(self, size_bytes: int) -> bool:
        """Whether so many bytes more may be held."""
        return self.held_bytes + size_bytes <= self.limit_bytes


class Hold:
    """What one request holds; given back when its `with` ends."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.held_bytes = 0

    def grow(self, size_bytes: int) -> None:
        """Hold so many bytes more; raises MemoryFull if there is no room."""
        if not self._memory.has_room(size_bytes):
            raise MemoryFull
        self._memory.held_bytes += size_bytes
        self.held_bytes += size_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._memory.held_bytes -= self.held_bytes
