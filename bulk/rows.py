"""Rows of a part's results, by the pipeline's own rules: none about the same bytes is written again, none that is newer replaced.

An image without a row gets one that loses to every upload's; if there is one about other bytes, S3 says which are the latest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from bulk.outcomes import Failure, Outcome, RowState
from pipeline.backfill.objects import is_about
from pipeline.contracts import Classification, ImageRef, ModelFacts
from pipeline.queue.orders import just_after
from pipeline.results.known_rows import KnownRow, TableBusy, known_rows
from pipeline.results.rows import row_of
from pipeline.results.store import Store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

WRITES_AT_ONCE = 16
BUSY_TRIES = 6
BUSY_S = 1.0  # then twice as long, and so on


@dataclass(frozen=True)
class Rows:
    """The table, and the shard's result that its rows name."""

    store: Store
    model: ModelFacts
    job: str
    result_key: str

    def write(self, results: Sequence[Classification | Failure]) -> list[Outcome]:
        """Each result with what became of its row. Doing it again ends in the same state."""
        classified = [it for it in results if isinstance(it, Classification)]
        known = self._known([it.image.uri for it in classified])
        with ThreadPoolExecutor(WRITES_AT_ONCE, thread_name_prefix="rows") as pool:
            states = pool.map(lambda it: self._write(it, known.get(it.image.uri)), classified)
            written = {it.image: state for it, state in zip(classified, states, strict=True)}
        return [Outcome(it, written.get(it.image)) for it in results]

    def _known(self, images: Sequence[str]) -> dict[str, KnownRow]:
        return patiently(lambda: known_rows(self.store.dynamodb, self.store.table, self.model.ref, images))

    def _write(self, result: Classification, row: KnownRow | None) -> RowState:
        image = result.image
        if row is not None and is_about(row, image):
            return "stored" if row.batch == self.job else "already"
        if row is not None:
            if not is_latest(self.store.s3, image):
                return "superseded"
            image = image.model_copy(update={"sequencer": just_after(row.sequencer)})
        item = row_of(result.model_copy(update={"image": image}), self.result_key, None)
        return "superseded" if self.store.put_row(item) == "superseded" else "stored"


def is_latest(s3: S3Client, image: ImageRef) -> bool:
    """Whether the key still holds this upload; a row about other bytes may be a newer one's. What S3 does not show is not."""
    try:
        head = s3.head_object(Bucket=image.bucket, Key=image.key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403, 404):
            return False
        raise
    if image.version_id is not None:
        return head.get("VersionId") == image.version_id
    return head["ETag"].strip('"') == image.etag


def patiently[Found](ask: Callable[[], Found], *, sleep: Callable[[float], None] = time.sleep) -> Found:
    """What `ask` returns; while the table is busy, it is called again; at last TableBusy is raised."""
    for trial in range(BUSY_TRIES - 1):
        try:
            return ask()
        except TableBusy:
            sleep(BUSY_S * 2**trial)
    return ask()
