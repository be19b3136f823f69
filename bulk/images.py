"""Images of a shard, fetched ahead while others are classified, and classified in groups; memory is bounded.

ImageRef -> (threads) bytes, or a rejection, or a failure -> groups -> Ask -> Classification, in the order of the shard
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from bulk.outcomes import Failure
from pipeline.classify.conclusion import conclude
from pipeline.classify.fetch import fetch
from pipeline.classify.images import Answered, Fetched
from pipeline.contracts import Classification, ImageRef, ModelFacts, Order, Timings
from pipeline.errors import Answer, ImageRejected, ImageUnavailable, ModelUnavailable, describe

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FETCHES_AT_ONCE = 8  # S3 answers in about 30 ms: 8 are 250 images/s, more than a vCPU classifies
AHEAD = 64  # images that are fetched or waiting, at most
GROUP = 32  # images that are classified with one call
MOST_BYTES = 32 * 2**20  # of the images ahead, and of a group, unless a single image has more
TRIES = 3  # of an image whose bytes stop on their way; botocore itself tries requests again
ASK_S = 600.0  # for a group; the largest pictures take seconds each

Read = Fetched | Answered | Failure


class Ask(Protocol):
    """What answers: images in, an answer for each out. It raises ModelUnavailable if no image can be answered."""

    def __call__(self, images: Sequence[bytes], *, budget_s: float) -> list[Answer]: ...


def results_of(
    images: Sequence[ImageRef], read: Callable[[ImageRef], Read], ask: Ask, expected: ModelFacts
) -> Iterator[Classification | Failure]:
    """What became of each image, in their order. ModelUnavailable if the model cannot answer: nothing is half done then."""
    with ThreadPoolExecutor(FETCHES_AT_ONCE, thread_name_prefix="fetch") as pool:
        try:
            for group in _groups(images, lambda image: pool.submit(read, image)):
                yield from _concluded(group, ask, expected)
        finally:
            pool.shutdown(cancel_futures=True)


def read_image(s3: S3Client, image: ImageRef, *, job: str, max_bytes: int) -> Read:
    """The image with its bytes, its rejection, or why S3 does not hand it over."""
    order = Order(image=image, sender="backfill", batch=job)
    began_at, began_s = datetime.now(UTC), time.monotonic()
    for tries_left in reversed(range(TRIES)):
        try:
            data = fetch(image, s3, max_bytes=max_bytes)
        except ImageRejected as rejected:
            return Answered(order, rejected, began_at, Timings(fetch_ms=_ms_since(began_s), predict_ms=0))
        except (ImageUnavailable, ClientError) as problem:
            return Failure(image, describe(problem))
        except BotoCoreError as problem:
            if not tries_left:
                return Failure(image, describe(problem))
        else:
            return Fetched(order, data, began_at, _ms_since(began_s))
    raise AssertionError


def _groups(images: Sequence[ImageRef], submit: Callable[[ImageRef], Future[Read]]) -> Iterator[list[Read]]:
    """The images in groups, in their order; while the caller works on a group, the next ones are fetched."""
    waiting: deque[tuple[Future[Read], int]] = deque()
    bytes_ahead, coming = 0, iter(images)
    upcoming = next(coming, None)
    while waiting or upcoming is not None:
        group: list[Read] = []
        group_bytes = 0
        while len(group) < GROUP and group_bytes < MOST_BYTES and (waiting or upcoming is not None):
            while upcoming is not None and len(waiting) < AHEAD and _fits(bytes_ahead, upcoming):
                waiting.append((submit(upcoming), upcoming.size_bytes))
                bytes_ahead += upcoming.size_bytes
                upcoming = next(coming, None)
            future, size_bytes = waiting.popleft()
            it = future.result()
            group.append(it)
            group_bytes += len(it.data) if isinstance(it, Fetched) else 0
            bytes_ahead -= size_bytes
        yield group


def _fits(bytes_ahead: int, image: ImageRef) -> bool:
    return not bytes_ahead or bytes_ahead + image.size_bytes <= MOST_BYTES


def _concluded(group: Sequence[Read], ask: Ask, expected: ModelFacts) -> Iterator[Classification | Failure]:
    fetched = [it for it in group if isinstance(it, Fetched)]
    began_s = time.monotonic()
    answers = iter(ask([it.data for it in fetched], budget_s=ASK_S) if fetched else ())
    predict_ms = _ms_since(began_s)
    for it in group:
        if isinstance(it, Failure):
            yield it
        elif isinstance(it, Answered):
            yield conclude(it, expected)
        else:
            yield conclude(_answered(it, next(answers), predict_ms), expected)


def _answered(image: Fetched, answer: Answer, predict_ms: float) -> Answered:
    if isinstance(answer, ModelUnavailable):
        raise answer
    return Answered(image.order, answer, image.began_at, Timings(fetch_ms=image.fetch_ms, predict_ms=predict_ms))


def _ms_since(began_s: float) -> float:
    return round((time.monotonic() - began_s) * 1000, 1)
