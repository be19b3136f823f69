"""What Lambda gives to a function and what CloudWatch reads from it, for tests that invoke one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import current_thread, main_thread
from typing import Any, ParamSpec, TypeVar

import pytest

from pipeline.classify.answer import Response
from pipeline.classify.handler import lambda_handler

_P = ParamSpec("_P")
_T = TypeVar("_T")

Emf = list[dict[str, Any]]


@dataclass(frozen=True)
class Context:
    """Lambda's context of an invocation."""

    remaining_ms: Callable[[], int]
    function_name: str = "podium-classify"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:podium-classify"
    aws_request_id: str = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms()


def metrics_of(capsys: pytest.CaptureFixture[str]) -> Emf:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [line for line in lines if "_aws" in line]


class WatchedPool(ThreadPoolExecutor):
    """Threads, and a clock that stands still until so many pieces of work are done: no test waits for a number of seconds.

    The clock is the main thread's, which waits for the work; the work itself has time.
    """

    def __init__(self) -> None:
        super().__init__(64)
        self.work: list[Future[Any]] = []

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        future = super().submit(fn, *args, **kwargs)
        self.work.append(future)
        return future

    def left_s(self, before: float, done: int, after: float) -> Callable[[], float]:
        """A clock: `before` seconds are left, and `after` when `done` pieces of work are done."""

        def left_s() -> float:
            is_over = current_thread() is main_thread() and sum(it.done() for it in self.work) >= done
            return after if is_over else before

        return left_s


def invoke(sqs_batch: dict[str, Any], remaining_ms: Callable[[], int] = lambda: 60_000) -> Response:
    """The clock stands still: a slow machine is given the time that it needs."""
    response: Response = lambda_handler(sqs_batch, Context(remaining_ms))
    return response


def failed(response: Response) -> list[str]:
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def counted(metrics: Emf) -> Counter[str]:
    """What became of images and messages, summed over the batches; a rejection under its reason."""
    total: Counter[str] = Counter()
    for line in metrics:
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
            if metric["Unit"] == "Count" and metric["Name"] not in {"ModelRequests", "ImagesPerRequest"}:
                name = f"{metric['Name']} {line['reason']}" if "reason" in line else metric["Name"]
                total[name] += (
                    sum(line[metric["Name"]]) if isinstance(line[metric["Name"]], list) else line[metric["Name"]]
                )
    return +total
