"""What became of every upload, seen from outside: no code of the pipeline is used."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.contracts import ImageRef
from tests.functions.simulation.model_server import label_of
from tests.functions.simulation.plan import Upload
from tests.functions.simulation.s3 import S3

VERDICTS = {"text": "unsupported_format", "empty": "empty", "huge": "too_large", "cut": "unreadable"}
VERDICTS_HERE = VERDICTS | {"slow": "too_slow", "poison": "unreadable"}  # of a reader in a process apart
CANDIDATE, CANDIDATE_SEES = "balls@2.0", "candidate's picture"
RowKey = tuple[str, str]


@dataclass(frozen=True)
class Uploaded:
    """One version of one object, with its place in the order of all uploads."""

    number: int
    upload: Upload
    image: ImageRef
    at_s: float
    here: bool = False  # the function itself holds the model

    @property
    def verdict(self) -> str:
        """What must become of it: the label that it has, or why it is rejected."""
        if self.image.key.endswith("/"):
            return "folder_marker"
        return (VERDICTS_HERE if self.here else VERDICTS).get(self.upload.content, label_of(self.number))


def document_of(item: dict[str, dict[str, Any]], data: bytes) -> bytes:
    """What the row names of the object: all of it, or a range of its bytes."""
    if "result_range" not in item:
        return data
    first, last = map(int, item["result_range"]["S"].removeprefix("bytes=").split("-"))
    return data[first : last + 1]


class Witness:
    """Sees every row in the moment that it is written or refused, and looks at once whether it keeps the promises."""

    def __init__(self, s3: S3, results: str, now_s: Callable[[], float], *, only_forward: bool) -> None:
        # Reconcile and backfill cannot know the sequencer of an event that they never saw: an older upload's event that
        # comes late may win over their row, until the newer one's own event, or the next run of reconcile.
        self._s3, self._results, self._now_s, self._only_forward = s3, results, now_s, only_forward
        self.uploads: list[Uploaded] = []
        self.deleted: set[str] = set()  # versions, for good
        self.violations: list[str] = []
        self.tried: defaultdict[RowKey, set[int]] = defaultdict(set)  # uploads that a row was to be of
        self.rows: dict[RowKey, Uploaded] = {}
        self.done_at_s: dict[int, float] = {}  # when an upload first had its row, or lost to a later one's
        self.puts = 0
        self.candidate_may_answer = False  # a rollout has given it a share of the images

    def upload_of(self, uri: str, version_id: str | None, etag: str | None) -> Uploaded:
        """By its version; what was backfilled has none, and goes by its bytes."""
        named = [it for it in self.uploads if it.image.uri == uri]
        if version_id is not None:
            named = [it for it in named if it.image.version_id == version_id]
        return [it for it in named if it.image.etag == etag][-1]

    def saw_row(self, item: dict[str, dict[str, Any]], taken: bool) -> None:
        """DynamoDB got a request to write this row, and took it or did not."""
        key = item["image"]["S"], item["model"]["S"]
        upload = self.upload_of(key[0], item.get("version_id", {}).get("S"), item["etag"]["S"])
        self.tried[key].add(upload.number)
        self.puts += 1
        self.done_at_s.setdefault(upload.number, self._now_s())
        if not taken:
            return
        before = self.rows.get(key)
        if self._only_forward and before is not None and before.number > upload.number:
            self.violations.append(
                f"promise 2: the row of {key} went back from upload {before.number} to {upload.number}"
            )
        self.violations += [f"promise 2: the row of {key} {problem}" for problem in self._problems(item, upload)]
        self.rows[key] = upload

    def _problems(self, item: dict[str, dict[str, Any]], upload: Uploaded) -> Iterator[str]:
        verdict = item.get("rejected_code", item.get("label", {})).get("S")
        gone = verdict == "gone" and self._is_gone(upload, by_version="version_id" in item)
        candidates = item["model"]["S"] == CANDIDATE
        should_be = upload.verdict.replace("picture", CANDIDATE_SEES) if candidates else upload.verdict
        if verdict != should_be and not gone:
            yield f"has {verdict!r} for upload {upload.number}, which is {should_be!r}"
        if candidates and not self.candidate_may_answer:
            yield f"is of {CANDIDATE}, which was only to be compared"
        versions = self._s3.buckets[self._results].get(item["result_key"]["S"], [])
        document = next((it.data for it in versions if {"S": it.version_id} == item.get("result_version_id")), None)
        if document is None:
            yield "names a JSON that does not exist"
            return
        result = json.loads(document_of(item, document))
        if "result_line" in item and result != json.loads(document.splitlines()[int(item["result_line"]["N"]) - 1]):
            yield "names a line that is not in its range"
        outcome = result["rejected"]["code"] if result["rejected"] else result["predictions"][0]["label"]
        its = result["image"]["version_id"], result["image"]["etag"], outcome
        if its != (item.get("version_id", {}).get("S"), upload.image.etag, verdict):
            yield f"names a JSON of {its}"

    def _is_gone(self, upload: Uploaded, *, by_version: bool) -> bool:
        if by_version:
            return upload.image.version_id in self.deleted
        latest = self._s3.latest(upload.image.bucket, upload.image.key)
        return latest is None or latest.version_id != upload.image.version_id
