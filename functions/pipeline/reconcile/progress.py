"""How far reconcile has looked: since when uploads must be looked at, and where in the bucket a pass stopped. No I/O.

Most uploads have their row when they are looked at first, and are not looked at every hour: a pass begins where the last
whole one found everything settled. An upload without a result is looked at every hour; one that has no tries left, for a
day. Once a day a deep pass looks at all uploads of the last days, for what came late: a large upload that took hours (S3
dates it by its beginning), or the late event of an older version that won over a newer one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

DEEP_EVERY = timedelta(days=1) - timedelta(minutes=30)  # an hourly schedule is never exactly on time
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
OVERLAP = timedelta(hours=1)  # large uploads are dated by when they began
HELD_BACK = timedelta(days=1)  # by a dead letter, which has no result for weeks


@dataclass(frozen=True)
class Progress:
    """The last whole pass, and the one under way; with no `stopped_at` there is none, and the next begins."""

    settled_until: datetime | None = None  # what was uploaded before had a result in the last whole pass
    deep_at: datetime | None = None  # when the last deep pass began
    stopped_at: str | None = None  # the key after which the pass under way goes on
    looks_after: datetime = LONG_AGO  # it looks at uploads made after this moment,
    due_before: datetime | None = None  # and, when it began, before this one
    oldest_open: datetime | None = None  # the first of those that had no result in it

    def started(self, now: datetime, *, look_back: timedelta, overdue_after: timedelta) -> Progress:
        """The pass that goes on, or a new one; one of an older version, which wrote no bounds, begins anew."""
        if self.stopped_at is not None and self.due_before is not None:
            return self
        deep = self.settled_until is None or self.deep_at is None or now - self.deep_at >= DEEP_EVERY
        furthest = now - look_back
        since = furthest if deep or self.settled_until is None else max(self.settled_until - OVERLAP, furthest)
        return replace(
            self, deep_at=now if deep else self.deep_at, stopped_at=None, looks_after=since,
            due_before=now - overdue_after, oldest_open=None,
        )  # fmt: skip

    def with_open(self, uploaded_at: datetime, *, tries_left: bool = True) -> Progress:
        """The pass, which has found an upload without a result; one that has no tries left holds the next back by a day at most."""
        if not tries_left and self.due_before is not None:
            uploaded_at = max(uploaded_at, self.due_before - HELD_BACK)
        return replace(self, oldest_open=min(uploaded_at, self.oldest_open or uploaded_at))

    def stopped(self, key: str | None) -> Progress:
        """The pass after the page that ends with this key; None: it has seen the whole bucket."""
        if key is not None:
            return replace(self, stopped_at=key)
        if self.due_before is None:  # it never began
            return self
        settled = min(self.due_before, self.oldest_open or self.due_before)
        return Progress(settled_until=settled, deep_at=self.deep_at)
