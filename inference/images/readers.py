"""The pictures of one inference batch: read side by side, a slow one cut off, a bad one answered for itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import get_ident

from inference.images.pixels import Pixels
from inference.images.reading import UnreadableImage
from serving.answers import Refusal

LOOK_EVERY_S = 0.2


class Readers:
    """Threads that read pictures; the libraries that decode let go of Python's lock.

    An image may use `seconds` of a processor, whatever else the machine does. What uses more is refused, and its thread
    is left to end on its own: the limits on pixels see to it that it does.
    """

    def __init__(self, read: Callable[[bytes], Pixels], *, threads: int, seconds: float) -> None:
        self._read = read
        self._threads = threads
        self._seconds = seconds
        self._pool = self._new_pool()
        self._began: dict[int, tuple[int, float]] = {}  # of this batch: the thread's clock, and what it showed

    def read(self, images: Sequence[bytes]) -> list[Pixels | Refusal]:
        """The pixels of every image, or why there are none, in their order."""
        outcomes: dict[int, Pixels | Refusal] = {}
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

    def _submit(self, images: Sequence[bytes], indices: Sequence[int]) -> dict[Future[Pixels | Refusal], int]:
        return {self._pool.submit(self._one, index, images[index]): index for index in indices}

    def _submit_anew(
        self, images: Sequence[bytes], running: dict[Future[Pixels | Refusal], int], slow: Sequence[int]
    ) -> dict[Future[Pixels | Refusal], int]:
        """Give what waits behind the slow ones to new threads; what is being read stays where it is."""
        waiting = [index for future, index in running.items() if future.cancel()]
        self._pool.shutdown(wait=False)
        self._pool = self._new_pool()
        left = {future: index for future, index in running.items() if index not in (*waiting, *slow)}
        return left | self._submit(images, waiting)

    def _one(self, index: int, data: bytes) -> Pixels | Refusal:
        self._began[index] = (time.pthread_getcpuclockid(get_ident()), time.thread_time())
        if not data:
            return Refusal("empty", "There is no image. Send it as the body, or as a form field.")
        try:
            return self._read(data)
        except UnreadableImage as unreadable:
            return Refusal(unreadable.code, unreadable.reason)

    def _used_s(self, index: int) -> float:
        """Seconds of a processor that the image has used so far; 0 where nobody reads it yet."""
        if index not in self._began:
            return 0.0
        clock, before = self._began[index]
        try:
            return time.clock_gettime(clock) - before
        except OSError:  # the thread has ended meanwhile; to ask for its clock only now could crash the process
            return 0.0

    def _too_slow(self) -> Refusal:
        sentence = (
            f"Reading the image took over {self._seconds:g} s of a processor. Save it as a JPEG and send it again."
        )
        return Refusal("too_slow", sentence)

    def _new_pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix="read")
