"""Many results as one object of JSON Lines, and where each of them lies in it.

The object's name is the digest of its bytes: nothing else is ever written under it, and writing it again changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.contracts import RESULTS_PREFIX, Classification

LINES_PREFIX = (
    f"{RESULTS_PREFIX}lines/"  # no other result lies there: their names go on with incoming/, from/ or long-key/
)
_DIGITS = 32


class Place(NamedTuple):
    """Where a result lies in the results bucket; alone in its object, or as one line of it."""

    key: str
    version_id: str | None
    line: int | None = None  # from 1 on, as `sed -n 3p` counts
    byte_range: str | None = None  # as HTTP has it: bytes=1024-2047, without the line's end


class Lines(NamedTuple):
    """An object of JSON Lines that is not written yet."""

    key: str
    body: bytes
    ranges: tuple[str, ...]

    def places(self, version_id: str | None) -> list[Place]:
        """Where each result lies, once this version of the object is there."""
        return [Place(self.key, version_id, line, it) for line, it in enumerate(self.ranges, start=1)]


def lines_of(classifications: Sequence[Classification]) -> Lines:
    """These results, at least one, a line each; under the day on which the work on the first began."""
    lines = [it.model_dump_json().encode() for it in classifications]
    body = b"".join(line + b"\n" for line in lines)
    ranges, first = [], 0
    for line in lines:
        ranges.append(f"bytes={first}-{first + len(line) - 1}")
        first += len(line) + 1
    day = classifications[0].classified_at.date().isoformat()
    return Lines(f"{LINES_PREFIX}{day}/{hashlib.sha256(body).hexdigest()[:_DIGITS]}.jsonl", body, tuple(ranges))
