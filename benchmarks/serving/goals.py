"""The goals and a run's result for each: ratios within the run, except seconds and counts."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from benchmarks.serving.run import BUSY, Run

OURS = "podium"
STOCK, STOCK_ENGINE, COMPILED = "torchserve", "torch-fp32", "torchserve-compiled"
AGAINST_LIMIT = {"many": 0.92, "single": 0.85}
AGAINST_STOCK = {"bf16": 4.5, "fp32": 2.2, "int8": 8.0}  # by precision
AGAINST_PEERS = {"litserve": 1.25, "bentoml": 1.15, "ray": 2.0, "fastapi": 0.95}  # 0.95 of a bare batcher is level
DECODING, LARGEST_DIFFERENCE = 2.0, 1
TAIL = 1.5
KEPT = 0.45
READY_S = 4.0
SAME_LABEL = 0.99


@dataclass(frozen=True)
class Goal:
    """One goal and its result."""

    text: str
    bound: Literal[">=", "<="]
    wanted: float
    reached: float

    @property
    def met(self) -> bool:
        """Whether the goal was reached, by the figure as it is printed."""
        reached = round(self.reached, 2)
        return reached >= self.wanted if self.bound == ">=" else reached <= self.wanted


def goals(run: Run) -> list[Goal]:
    """Every goal for which this run has a figure."""
    engines = [limit.engine for limit in run.limits]
    found = [*_decoding(run)]
    for engine in engines:
        found += [*_limit(run, engine), *_stock(run, engine), *_peers(run, engine), *_tail(run, engine)]
        found += [*_busy(run, engine), *_accuracy(run, engine)]
    return [*found, *_edges(run)]


def _limit(run: Run, engine: str) -> Iterator[Goal]:
    limit, many, single = run.limit(engine), run.many(OURS, engine), run.single(OURS, engine)
    if limit and many:
        share = many.images_per_s / limit.images_per_s
        yield Goal(f"many-image requests against decode + forward, {engine}", ">=", AGAINST_LIMIT["many"], share)
    if limit and single:
        share = single.images_per_s / limit.images_per_s
        text = f"single images at {single.concurrency} clients against decode + forward, {engine}"
        yield Goal(text, ">=", AGAINST_LIMIT["single"], share)


def _stock(run: Run, engine: str) -> Iterator[Goal]:
    stock = max(
        (row for row in run.rows if row.server == STOCK and BUSY not in row.setting),
        key=lambda row: row.images_per_s, default=None,
    )  # fmt: skip
    wanted = AGAINST_STOCK.get(engine.rpartition("-")[2])
    if stock is None or wanted is None or not engine.startswith("openvino") or not stock.images_per_s:
        return
    kinds = {"single images": run.single(OURS, engine), "many-image requests": run.many(OURS, engine)}
    for kind, row in kinds.items():
        if row:
            text = f"{kind} against TorchServe's stock handler ({stock.setting}, {stock.concurrency} clients), {engine}"
            yield Goal(text, ">=", wanted, row.images_per_s / stock.images_per_s)


def _peers(run: Run, engine: str) -> Iterator[Goal]:
    ours = run.single(OURS, engine)
    for peer, wanted in AGAINST_PEERS.items():
        theirs = run.single(peer, engine)
        if ours and theirs and theirs.images_per_s:
            text = f"against {peer} at {theirs.concurrency} clients, {engine}"
            yield Goal(text, ">=", wanted, ours.images_per_s / theirs.images_per_s)


def _tail(run: Run, engine: str) -> Iterator[Goal]:
    row = run.single(OURS, engine)
    if row and row.p50_ms and row.p99_ms:
        yield Goal(f"p99 / p50 at {row.concurrency} clients, {engine}", "<=", TAIL, row.p99_ms / row.p50_ms)


def _busy(run: Run, engine: str) -> Iterator[Goal]:
    alone, beside = run.single(OURS, engine), run.single(OURS, engine, note=BUSY)
    if alone and beside and alone.images_per_s:
        text = f"throughput kept beside one busy process, {engine}"
        yield Goal(text, ">=", KEPT, beside.images_per_s / alone.images_per_s)


def _accuracy(run: Run, engine: str) -> Iterator[Goal]:
    """Agreement on the photos that are sent: a sign, not the gate, which uses the whole validation set."""
    reference, limit = run.limit("torch-fp32") or run.limit("openvino-fp32"), run.limit(engine)
    if reference and limit and limit.engine != reference.engine:
        same = [one == other for one, other in zip(limit.labels, reference.labels, strict=True)]
        text = f"best class as {reference.engine}'s on the {len(same)} photos, {engine}"
        yield Goal(text, ">=", SAME_LABEL, sum(same) / len(same))


def _decoding(run: Run) -> Iterator[Goal]:
    for size in run.decoding:
        yield Goal(f"decode + resize against the stock transform, {size['size']}", ">=", DECODING, size["ratio"])
        text = f"largest pixel difference, of 255, {size['size']}"
        yield Goal(text, "<=", LARGEST_DIFFERENCE, size["largest_difference"])


def _edges(run: Run) -> Iterator[Goal]:
    for name, times in run.ready_s.items():
        server, engine = name.partition(",")[0].split()
        if server == OURS:
            yield Goal(f"seconds from start to READY, {engine}", "<=", READY_S, statistics.median(times))
    if OURS in run.neighbours:
        lost = sum(count for key, count in run.neighbours[OURS].items() if key.startswith("lost"))
        yield Goal("good images failed by a bad neighbour", "<=", 0, lost)
    if OURS in run.stops:
        yield Goal("requests lost on a planned stop", "<=", 0, run.stops[OURS]["lost"])
