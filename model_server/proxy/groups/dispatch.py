"""Groups on their way: as many as TorchServe has workers, and one that waits there so that no worker idles."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from proxy.groups.rate import Rate
from proxy.groups.waiting import Job, Key, Limits, Request, Waiting
from proxy.metrics import Metrics
from proxy.responses import GroupFailed, Response, unavailable

Send = Callable[[Key, Sequence[Job]], Awaitable[Sequence[Response]]]
WORKER_DIED = "The model server lost the worker that looked at this image, twice."


class Dispatcher:
    """The images of one model, from their admission to their answers."""

    def __init__(self, send: Send, limits: Limits, metrics: Metrics, on_failure: Callable[[], None]) -> None:
        self.waiting = Waiting(limits)
        self.rate = Rate()
        self.workers = 1
        self.is_open = True  # shut while no worker lives: what waits goes on waiting
        self._send = send
        self._metrics = metrics
        self._on_failure = on_failure
        self._groups: set[asyncio.Task[None] | None] = set()
        self._images_under_way = 0
        self._pump_is_due = False

    def admit(self, request: Request) -> bool:
        """Take all images of a request, or none of them if there is no room."""
        admitted = self.waiting.admit(request, time.perf_counter())
        self._pump_soon()
        return admitted

    def open(self, *, workers: int) -> None:
        """So many workers live; with none, nothing is sent."""
        self.is_open, self.workers = workers > 0, max(1, workers)
        self._pump_soon()

    async def close(self) -> None:
        """Give up the groups on their way."""
        self.is_open = False
        groups = [group for group in self._groups if group is not None]
        for group in groups:
            group.cancel()
        await asyncio.gather(*groups, return_exceptions=True)

    def _pump_soon(self) -> None:
        """Once the requests that arrived together have all been read: they share their groups then."""
        if not self._pump_is_due:
            self._pump_is_due = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_is_due = False
        while self.is_open and (free := self._free()) > 0 and (group := self.waiting.next_group(free)):
            task = asyncio.create_task(self._carry(group))
            self._groups.add(task)
            task.add_done_callback(self._groups.discard)

    def _free(self) -> int:
        """How many groups may go; one whose image may kill a worker again gets no company in TorchServe's queue."""
        return self.workers + (not self.waiting.next_is_alone) - len(self._groups)

    async def _carry(self, group: list[Job]) -> None:
        began_s = time.perf_counter()
        self._images_under_way += len(group)
        try:
            answers = await self._send(group[0].request.key, group)
        except GroupFailed:
            self._failed(group)
        except Exception:  # a fault of ours: answered at once, not after the request's time-out
            self._deliver(group, [unavailable("The model server failed; its log says why.")] * len(group))
            raise
        else:
            took_s = time.perf_counter() - began_s
            self.rate.answered(images_under_way=self._images_under_way, took_s=took_s)
            self._metrics.group_answered([began_s - job.waiting_since_s for job in group], answers)
            self._deliver(group, answers)
        finally:
            self._images_under_way -= len(group)
            self._groups.discard(asyncio.current_task())
            self._pump_soon()

    def _failed(self, group: list[Job]) -> None:
        self._on_failure()
        twice = [job for job in group if job.tried]
        self._deliver(twice, [unavailable(WORKER_DIED)] * len(twice))
        self.waiting.again([job for job in group if not job.tried])

    def _deliver(self, group: Sequence[Job], answers: Sequence[Response]) -> None:
        for job, answer in zip(group, answers, strict=True):
            self._metrics.image_answered(answer)
            if not job.request.gone:
                job.request.answer(job.place, answer)
