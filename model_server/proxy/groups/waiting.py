"""Which images go to TorchServe next: the order, the groups and the limits. No I/O, no clock.

A request's images wait in turns with those of the others: first in, first out, but one image of each request at a
time, so that a request of many does not hold up a request of one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.responses import Response


class Key(NamedTuple):
    """What images must have in common to be one group."""

    verb: str  # predictions or explanations
    version: str | None = None
    top_k: str | None = None

    @property
    def alone(self) -> bool:
        """Whether an image of this kind never shares a group."""
        return self.verb != "predictions"


@dataclass(frozen=True)
class Limits:
    """How much may wait, and how much goes at once."""

    waiting_images: int = 256  # with so many no request is admitted; with fewer, the whole of one is
    batch_images: int = 8
    group_bytes: int = 16 * 2**20  # a first image that is larger goes alone


@dataclass(eq=False)
class Job:
    """One image of a request."""

    request: Request
    place: int
    image: memoryview
    waiting_since_s: float = 0.0
    tried: bool = False  # in a group that failed: it is sent once more, alone


@dataclass(eq=False)
class Request:
    """The images of one HTTP request, and their answers as they come in; `on_complete` is called after the last."""

    key: Key
    images: Sequence[memoryview]
    on_complete: Callable[[], None] = lambda: None
    gone: bool = False  # the client went away, or was answered without this
    answers: list[Response | None] = field(init=False)
    missing: int = field(init=False)

    def __post_init__(self) -> None:
        self.answers = [None] * len(self.images)
        self.missing = len(self.images)

    def answer(self, place: int, answer: Response) -> None:
        """Keep the answer to one image; each image is answered once."""
        if self.answers[place] is not None:
            raise ValueError(f"image {place} was answered before")
        self.answers[place] = answer
        self.missing -= 1
        if not self.missing:
            self.on_complete()


@dataclass(eq=False)
class _Turn:
    request: Request
    jobs: deque[Job]


class Waiting:
    """The images of one model that wait for TorchServe."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.images = 0
        self._turns: deque[_Turn] = deque()
        self._again: deque[Job] = deque()

    def has_room(self) -> bool:
        """Whether one more request may wait, of however many images: a stream of small ones starves no large one."""
        return self.images < self.limits.waiting_images

    def admit(self, request: Request, now_s: float = 0.0) -> bool:
        """Let all unanswered images of a request wait, or none of them."""
        places = [place for place, answer in enumerate(request.answers) if answer is None]
        if places and not self.has_room():
            return False
        jobs = deque(Job(request, place, request.images[place], now_s) for place in places)
        if jobs:
            self._turns.append(_Turn(request, jobs))
            self.images += len(jobs)
        return True

    def again(self, jobs: Sequence[Job]) -> None:
        """Images whose group failed: they were admitted, so they go before all others, each alone."""
        for job in jobs:
            job.tried = True
            if not job.request.gone:
                self._again.append(job)
                self.images += 1

    def next_group(self, free: int) -> list[Job]:
        """The images to send now, to fill `free` groups; none if nothing waits."""
        if self._again:
            self.images -= 1
            return [self._again.popleft()]
        if not self._turns:
            return []
        key = self._turns[0].request.key
        size = 1 if key.alone else min(self.limits.batch_images, -(-self.images // max(1, free)))
        group = self._take(key, size)
        self.images -= len(group)
        return group

    @property
    def next_is_alone(self) -> bool:
        """Whether what goes next is an image whose group failed."""
        return bool(self._again)

    def drop(self, request: Request) -> None:
        """Forget the images of a request that still wait; responses to the others are dropped."""
        request.gone = True
        self._turns = deque(turn for turn in self._turns if turn.request is not request)
        self._again = deque(job for job in self._again if job.request is not request)
        self.images = sum(len(turn.jobs) for turn in self._turns) + len(self._again)

    def _take(self, key: Key, size: int) -> list[Job]:
        group: list[Job] = []
        passed_over: list[_Turn] = []
        room = self.limits.group_bytes
        while self._turns and len(group) < size:
            turn = self._turns.popleft()
            if turn.request.key != key:
                passed_over.append(turn)
                continue
            if group and turn.jobs[0].image.nbytes > room:
                self._turns.appendleft(turn)
                break
            group.append(turn.jobs.popleft())
            room -= group[-1].image.nbytes
            if turn.jobs:
                self._turns.append(turn)
        self._turns.extendleft(reversed(passed_over))
        return group
