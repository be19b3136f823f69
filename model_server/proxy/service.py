"""The whole proxy, from its start to its end.

listen -> TorchServe starts -> ready -> (requests) -> SIGTERM -> drain -> TorchServe stops
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Sequence

import aiohttp
from prometheus_client import disable_created_metrics

from proxy.freed_memory import keep_heap
from proxy.groups.dispatch import Dispatcher
from proxy.groups.waiting import Limits
from proxy.http.connections import Limits as ConnectionLimits
from proxy.http.connections import limited_by_system, listen
from proxy.http.drain import Drain
from proxy.http.held_bytes import Memory
from proxy.http.metrics_page import metrics_application
from proxy.http.origins import Origins
from proxy.http.server import Server
from proxy.http.tokens import NoTokens, Tokens
from proxy.machine import default_batch_images, default_threads, default_workers
from proxy.metrics import Metrics
from proxy.minutes import Minutes
from proxy.options import Options
from proxy.torchserve import management
from proxy.torchserve.configuration import WrongConfiguration, check_home
from proxy.torchserve.deaths import death_reason, set_aside
from proxy.torchserve.management import Worker
from proxy.torchserve.process import StartOptions, TorchServe
from proxy.torchserve.readiness import Readiness, ServedModel
from proxy.torchserve.upstream import Upstream, open_session

logger = logging.getLogger(__name__)

METRICS_CONNECTIONS = 32  # Prometheus' and a few people's


class CannotServe(Exception):
    """The proxy cannot start: a sentence for the person."""


class Service:
    """One proxy and its TorchServe."""

    def __init__(self, options: Options, session: aiohttp.ClientSession) -> None:
        check_home(options.home)
        set_aside(options.home / "logs")  # an earlier proxy's deaths are not ours
        self._options = options
        self._session = session
        self._metrics = Metrics()
        self._minutes = Minutes(self._metrics)
        self._drain = Drain()
        self._stop = asyncio.Event()
        self._torchserve = TorchServe(start_options(options), on_death=lambda why: self._readiness.down(why))  # noqa: PLW0108 - it is made below
        served = {name: self._served(name) for name in options.model_names}
        self._dispatchers = [model.dispatcher for model in served.values()]
        self._metrics.watch(
            waiting_images=lambda: sum(each.waiting.images for each in self._dispatchers),
            open_requests=lambda: self._drain.open_requests,
        )
        self._readiness = Readiness(tuple(served.values()), self._workers, self._death, self._metrics)
        self._server = Server(
            served,
            lambda: self._readiness.state,
            drain=self._drain,
            memory=Memory(options.queue_bytes),
            metrics=self._metrics,
            tokens=Tokens(options.token_file) if options.token_file else None,
            origins=Origins(options.allow_origins) if options.allow_origins else None,
        )

    def stop(self) -> None:
        """Drain and stop; a second call does not wait."""
        if self._stop.is_set():
            self._drain.hurry()
        self._stop.set()

    async def run(self) -> int:
        """Serve until `stop`, then drain; returns how many requests were cut."""
        options = self._options
        pages = metrics_application(self._metrics, self._session, lambda: self._torchserve.metrics_url)
        limits = limited_by_system(ConnectionLimits(options.connections))
        few = ConnectionLimits(METRICS_CONNECTIONS)
        runners = [(await listen(pages, options.metrics.host, options.metrics.port, few))[0]]
        images = await listen(self._server.application(), options.listen.host, options.listen.port, limits)
        runners.append(images[0])
        logger.info("listening on %s:%d", options.listen.host, options.listen.port)
        if limits.connections < options.connections:
            logger.warning(
                "%d connections at most: the system lets this process open no more files", limits.connections
            )
        works = (self._torchserve.keep_alive(), self._readiness.watch(), self._minutes.write_each())
        tasks = [asyncio.create_task(work) for work in works]
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
            return await self._rest()
        finally:
            for task in (*tasks, stopping):
                task.cancel()
            await self._torchserve.stop()
            for runner in runners:
                await runner.cleanup()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception):
                    raise outcome

    async def _rest(self) -> int:
        self._drain.begin()
        logger.info("draining: what was admitted is answered within %g s", self._options.drain_s)
        cut = await self._drain.finish(self._options.drain_s)
        if cut:
            logger.warning("drained: %d requests got 503 and must be sent again", cut)
        for dispatcher in self._dispatchers:
            await dispatcher.close()
        self._minutes.write()
        return cut

    def _served(self, name: str) -> ServedModel:
        upstream = Upstream(self._session, lambda: self._torchserve.inference_url, name)
        limits = Limits(self._options.queue_images, self._options.batch_images or default_batch_images())
        dispatcher = Dispatcher(upstream.send, limits, self._metrics, lambda: self._readiness.suspect())  # noqa: PLW0108 - it is made later
        return ServedModel(name, upstream, dispatcher)

    async def _workers(self, model: str) -> Sequence[Worker] | None:
        return await management.workers(self._session, self._torchserve.management_url, model)

    async def _death(self, model: str) -> str | None:
        return await asyncio.to_thread(death_reason, self._options.home / "logs", model, self._options.files[model])


def start_options(options: Options) -> StartOptions:
    """What TorchServe is started with: the machine is shared by all workers of all models, unless a person says otherwise."""
    models = len(options.model_names)
    workers = options.workers or default_workers(models)
    threads = default_threads(workers * models)
    return StartOptions(options.home, options.model_store, options.models, workers, threads, options.management_port)


def run(options: Options) -> int:
    """Serve until SIGTERM or SIGINT. The exit code: 0, or 1 if requests were cut. Raises CannotServe."""
    keep_heap()
    disable_created_metrics()  # type: ignore[no-untyped-call] # a second line per metric that says when it began
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            return runner.run(_serve(options))
    except (WrongConfiguration, NoTokens, OSError) as error:
        raise CannotServe(str(error)) from error


async def _serve(options: Options) -> int:
    async with open_session() as session:
        service = Service(options, session)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, service.stop)
        cut = await service.run()
    logger.info("stopped")
    return 1 if cut else 0


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's if it is installed; it takes a third less of a core."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
