"""Whether a batch is complete: which of the images that it expects have an outcome. The rows are the truth.

manifest -> expected uploads; rows of the batch (index) -> outcomes; what is missing then -> rows of the image -> outcomes

An image is done when a row is about the very upload that the batch expects, or about a later upload of the same key: an
upload that is overwritten before its turn comes may never get a row of its own. Whether a row of another version is
about a later upload, S3 knows: it lists the versions of a key newest first. `classified_at` does not show it, for last
week's upload may be classified after today's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.batches.outcomes import ExpectedUpload, Item, Outcome, outcome_in, rows_of_batch, rows_of_image
from pipeline.results.index_keys import SHARDS
from pipeline.results.same_upload import same_upload
from pipeline.uploads import versions_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectVersionTypeDef

READ_AT_ONCE = 16
FEW = 1_000  # images whose rows are read one by one


@dataclass(frozen=True)
class Completion:
    """How complete a batch is."""

    outcomes: dict[str, Outcome]  # by image
    missing: int
    exact: bool  # the rows of every image that is not in the index were read

    @property
    def rows_to_wait_for(self) -> int:
        """How many more rows must be counted before looking again is worth it.

        Half of what is missing, if that is not exact: the index may lag, so waiting for all might be waiting for too many.
        """
        return self.missing if self.exact else max(1, self.missing // 2)


@dataclass(frozen=True)
class Rows:
    """The table of results, and the buckets that its images lie in; threads may share it."""

    dynamodb: DynamoDBClient
    s3: S3Client
    table: str
    few: int = FEW

    def completion_of(
        self,
        batch: str,
        expected: Mapping[str, ExpectedUpload],
        *,
        thorough: bool,
        shards: Iterable[int] = range(SHARDS),
    ) -> Completion:
        """The outcomes of the images that a batch expects, or those of them that lie in these shards.

        Few that are missing from the batch's rows are read one by one: the index may lag, and a row may belong to
        another batch by now. Many only if `thorough`, a thousand at a time, until one of them is not done.
        """
        outcomes = newest(rows_of_batch(self.dynamodb, self.table, batch, shards), expected)
        missing = [image for image in expected if image not in outcomes]
        exact = len(missing) <= self.few
        if exact or thorough:
            with ThreadPoolExecutor(READ_AT_ONCE, thread_name_prefix="rows") as pool:
                for first in range(0, len(missing), self.few):
                    some = missing[first : first + self.few]
                    found = list(pool.map(lambda image: self.outcome_of(image, expected[image]), some))
                    outcomes |= {outcome.image: outcome for outcome in found if outcome}
                    if None in found:
                        break
        return Completion(outcomes, len(expected) - len(outcomes), exact)

    def outcome_of(self, image: str, expected: ExpectedUpload) -> Outcome | None:
        """The newest outcome of the expected upload, or else of a later one; None when there is none yet."""
        outcomes = [it for row in rows_of_image(self.dynamodb, self.table, image) if (it := outcome_in(row))]
        own = [it for it in outcomes if same_upload(expected, it)]
        fitting = own or self._of_later_uploads(image, expected, outcomes)
        return max(fitting, key=lambda outcome: outcome.age, default=None)

    def _of_later_uploads(self, image: str, expected: ExpectedUpload, outcomes: Iterable[Outcome]) -> list[Outcome]:
        """Those of the outcomes of other uploads that surely belong to a later one.

        A row without a version is about the object as it was when the work began: if that was after the expected upload
        arrived, it is about that or a later one; unless the object was gone.
        """
        versioned = [it for it in outcomes if it.version_id is not None]
        as_it_was = [it for it in outcomes if it.version_id is None and it.rejected_code != "gone"]
        later = later_versions(self._uploads_of(image), expected) if versioned else set()
        return [it for it in versioned if it.version_id in later] + [
            it for it in as_it_was if it.classified_at > expected.since
        ]

    def _uploads_of(self, image: str) -> list[ObjectVersionTypeDef]:
        bucket, _, key = image.removeprefix("s3://").partition("/")
        return versions_of(self.s3, bucket, key)


def newest(rows: Iterable[Item], expected: Mapping[str, ExpectedUpload]) -> dict[str, Outcome]:
    """Of each expected upload the outcome that was made last, of whichever model; by image."""
    outcomes: dict[str, Outcome] = {}
    for row in rows:
        outcome = outcome_in(row)
        if outcome is None or outcome.image not in expected or not same_upload(expected[outcome.image], outcome):
            continue
        known = outcomes.get(outcome.image)
        if known is None or known.age < outcome.age:
            outcomes[outcome.image] = outcome
    return outcomes


def later_versions(uploads: Sequence[ObjectVersionTypeDef], expected: ExpectedUpload) -> set[str]:
    """The versions that came after the expected upload; `uploads` are those that still exist, newest first.

    When the expected one exists no longer: those that were made since it was there.
    """
    later: set[str] = set()
    for upload in uploads:
        if same_upload(
            expected, ExpectedUpload(upload["VersionId"], upload["ETag"].strip('"'), upload["LastModified"])
        ):
            return later
        later.add(upload["VersionId"])
    return {upload["VersionId"] for upload in uploads if upload["LastModified"] > expected.since}
