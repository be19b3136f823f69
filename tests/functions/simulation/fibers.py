"""Threads of which one at a time runs, and only as far as its next pause; and an executor that works with them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")

# Kept from world to world: to start a thread takes longer than most of what fibers do.
_THREADS = ThreadPoolExecutor(1000, thread_name_prefix="fiber")


class Killed(BaseException):
    """The process was killed at this point: nothing below it happens."""


def always() -> bool:
    return True


def nothing() -> None:
    pass


class Fiber:
    """Work in a thread of its own that runs only while it has the baton."""

    def __init__(self, work: Callable[[], object], name: str = "") -> None:
        self._work = work
        self.name = name
        self._baton, self._ended = Lock(), Lock()
        self._baton.acquire()
        self._ended.acquire()
        self._killer_waits = False
        self.is_ready: Callable[[], bool] = always  # does it wait for nothing?
        self.is_awake: Callable[[], bool] = always  # a frozen process runs none of its threads
        self.is_late: Callable[[], bool] = lambda: False  # has its process begun something else meanwhile?
        self.on_killed: Callable[[], None] = nothing  # when its process was killed from inside
        self.hand_on: Callable[[Fiber], None] = lambda _: None  # the baton, at its end
        self.started = False
        self.done = False
        self.dying = False
        self.killed_itself = False
        self.error: BaseException | None = None

    def could_run(self) -> bool:
        return not self.done and not self.dying and self.is_awake() and self.is_ready()

    def give_baton(self) -> None:
        """Whoever gives it away waits for it, or ends."""
        if self.started:
            self._baton.release()
        else:
            self.started = True
            _THREADS.submit(self._live)

    def await_baton(self) -> None:
        self._baton.acquire()
        self.die_if_killed()

    def die_if_killed(self) -> None:
        if self.dying:
            raise Killed

    def kill(self, *, it_is_me: bool) -> None:
        """End it while it waits for the baton, as if the machine had lost its power; the caller keeps the baton."""
        self.dying = True
        if self.started and not self.done and not it_is_me:
            self._killer_waits = True
            self._baton.release()
            self._ended.acquire()
        self.done = self.done or not it_is_me

    def _live(self) -> None:
        try:
            self._work()
        except Killed:
            self.killed_itself = not self.dying
        except BaseException as error:  # noqa: BLE001 (the scheduler raises it in the thread that started the world)
            self.error = error
        self.done = True
        if self._killer_waits:
            self._ended.release()
        else:
            self.hand_on(self)


class FiberFuture(Future[_T]):
    """A future for whose end a fiber waits in virtual time."""

    def __init__(self, wait: Callable[[Callable[[], bool], float | None], None]) -> None:
        super().__init__()
        self._wait = wait

    def exception(self, timeout: float | None = None) -> BaseException | None:
        self._wait(self.done, timeout)
        return super().exception(0)

    def result(self, timeout: float | None = None) -> _T:
        self._wait(self.done, timeout)
        return super().result(0)


class FiberPool(Executor):
    """What ThreadPoolExecutor is to threads.

    `start` starts a fiber, `wait` waits in one (until what, how many seconds), `notice` gets every error.
    """

    def __init__(
        self,
        start: Callable[[Fiber], None],
        wait: Callable[[Callable[[], bool], float | None], None],
        notice: Callable[[Exception], None],
    ) -> None:
        self._start, self._wait, self._notice = start, wait, notice
        self._waiting: list[tuple[Fiber, Future[Any]]] = []

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        future: FiberFuture[_T] = FiberFuture(self._wait)
        fiber = Fiber(partial(self._fulfil, future, partial(fn, *args, **kwargs)))
        self._waiting.append((fiber, future))
        self._start(fiber)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 (as Executor has it)
        """Work that began goes on, as threads do."""
        for fiber, future in self._waiting:
            if cancel_futures and not fiber.started:
                future.cancel()
                fiber.kill(it_is_me=False)

    def _fulfil(self, future: Future[_T], work: Callable[[], _T]) -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 (an executor keeps whatever its work raised)
            self._notice(error)
            future.set_exception(error)
        else:
            future.set_result(result)
