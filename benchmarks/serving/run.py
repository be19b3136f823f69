"""All figures of one run: the document that is written as JSON, and from which page and plot are made."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.serving.limit import Limit
from benchmarks.serving.rows import Row


@dataclass
class Run:
    """The figures of a run, filled while it goes on."""

    command: str
    began_at: str
    machine: dict[str, Any]
    versions: dict[str, str]
    model: dict[str, Any]
    photos: dict[str, Any]
    limits: list[Limit] = field(default_factory=list)
    decoding: list[dict[str, Any]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    ready_s: dict[str, list[float]] = field(default_factory=dict)  # by "server engine setting", of each start
    neighbours: dict[str, dict[str, int]] = field(default_factory=dict)  # by server
    stops: dict[str, dict[str, int]] = field(default_factory=dict)  # by server
    skipped: list[str] = field(default_factory=list)  # servers and engines that were not measured, and why
    minutes: float = 0.0

    def document(self) -> dict[str, Any]:
        """The run as plain values, for JSON."""
        return asdict(self)

    @classmethod
    def of(cls, document: dict[str, Any]) -> Run:
        """The run that `document` was made from."""
        limits = [Limit(**limit) for limit in document["limits"]]
        rows = [Row(**row) for row in document["rows"]]
        own = {name: document[name] for name in cls.__dataclass_fields__}  # the goals beside them are made from these
        return cls(**{**own, "limits": limits, "rows": rows})

    def limit(self, engine: str) -> Limit | None:
        """The raw limit of an engine."""
        return next((limit for limit in self.limits if limit.engine == engine), None)

    def concurrency(self) -> int:
        """The highest concurrency with single images, at which servers are compared."""
        return max((row.concurrency for row in self.rows if row.images_per_request == 1), default=0)

    def single(self, server: str, engine: str, *, note: str = "") -> Row | None:
        """The server's best setting with single images at the highest concurrency."""
        found = [
            row
            for row in self.rows
            if (row.server, row.engine, row.images_per_request) == (server, engine, 1)
            and row.concurrency == self.concurrency()
            and (note in row.setting if note else BUSY not in row.setting)
        ]
        return max(found, key=lambda row: row.images_per_s, default=None)

    def many(self, server: str, engine: str) -> Row | None:
        """The server's best row with many-image requests."""
        found = [
            row for row in self.rows if (row.server, row.engine) == (server, engine) and row.images_per_request > 1
        ]
        return max(found, key=lambda row: row.images_per_s, default=None)


BUSY = ", beside a busy process"
