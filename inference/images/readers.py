"""The images of one inference batch: read in parallel, a slow one cut off, a bad one rejected on its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import get_ident

from inference.images.pixels import Pixels
from inference.images.reading import UnreadableImage

LOOK_EVERY_S = 0.2


class Readers:
    """Threads that read images; the decoding libraries release Python's lock.

    An image may use `seconds` of CPU time, however busy the machine is. One that uses more is rejected, and its thread
    is left to end on its own: the limit on pixels ensures that it does.
    """

    def __init__(self, read: Callable[[bytes], Pixels], *, threads: int, seconds: float) -> None:
        self._read = read
        self._threads = threads
        self._seconds = seconds
        self._pool = self._new_pool()
        self._began: dict[int, tuple[int, float]] = {}  # of this batch: the thread's clock, and what it showed

    def read(self, images: Sequence[bytes]) -> list[Pixels | UnreadableImage]:
        """The pixels of every image, or why there are none, in their order."""
        outcomes: dict[int, Pixels | UnreadableImage] = {}
        self._began = {}
        running = self._submit(images, range(len(images)))
        while running:
            wait(running, timeout=LOOK_EVERY_S)
            outcomes |= {index: future.result() for future, index in running.items() if future.done()}
            running = {future: index for future, index in running.items() if index not in outcomes}
            slow = [index for index in running.values() if self._used_s(index) > self._seconds]
            if slow:
                outcomes |= dict.fromkeys(slow, self._too_slow())
                running = self._submit_anew(images, running, slow)
        return [outcomes[index] for index in range(len(images))]

    def _submit(self, images: Sequence[bytes], indices: Sequence[int]) -> dict[Future[Pixels | UnreadableImage], int]:
        return {self._pool.submit(self._one, index, images[index]): index for index in indices}

    def _submit_anew(
        self, images: Sequence[bytes], running: dict[Future[Pixels | UnreadableImage], int], slow: Sequence[int]
    ) -> dict[Future[Pixels | UnreadableImage], int]:
        """Give images that wait behind the slow ones to new threads; those that are being read stay where they are."""
        waiting = [index for future, index in running.items() if future.cancel()]
        self._pool.shutdown(wait=False)
        self._pool = self._new_pool()
        left = {future: index for future, index in running.items() if index not in (*waiting, *slow)}
        return left | self._submit(images, waiting)

    def _one(self, index: int, data: bytes) -> Pixels | UnreadableImage:
        self._began[index] = (time.pthread_getcpuclockid(get_ident()), time.thread_time())
        if not data:
            return UnreadableImage("empty", "There is no image.")
        try:
            return self._read(data)
        except UnreadableImage as unreadable:
            return unreadable

    def _used_s(self, index: int) -> float:
        """CPU seconds that the image has used so far; 0 if no thread reads it yet."""
        if index not in self._began:
            return 0.0
        clock, before = self._began[index]
        try:
            return time.clock_gettime(clock) - before
        except OSError:  # the thread has ended meanwhile; to ask for its clock only now could crash the process
            return 0.0

    def _too_slow(self) -> UnreadableImage:
        reason = f"Reading the image took over {self._seconds:g} s of a processor. Save it as a JPEG and send it again."
        return UnreadableImage("too_slow", reason)

    def _new_pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix="read")
