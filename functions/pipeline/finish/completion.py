"""Whether a batch is complete: which of the images that it expects have a verdict. The rows are the truth.

manifest -> wanted; rows of the batch (index) -> verdicts; what is missing then -> rows of the image -> verdicts, too

An image is done when a row is about the very upload that the batch expects, or about a later upload of the same key: an
upload that is overwritten before its turn comes may never get a row of its own. Whether a row of another version is
about a later upload, S3 knows: it lists the versions of a key newest first. `classified_at` would not tell, for last
week's upload may be worked on after today's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.batches.outcomes import Item, Verdict, Wanted, rows_of_batch, rows_of_image, verdict_in

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectVersionTypeDef

ASKED_AT_ONCE = 16
FEW = 1_000  # images that are asked about one by one


@dataclass(frozen=True)
class Look:
    """What a look at a batch found."""

    verdicts: dict[str, Verdict]  # by image
    missing: int
    exact: bool  # every image without a row in the index was asked about

    @property
    def rows_to_wait_for(self) -> int:
        """How many more rows must be counted before looking again is worth it.

        Half of what is missing, where that is not exact: the index may lag, so waiting for all might be waiting for too many.
        """
        return self.missing if self.exact else max(1, self.missing // 2)


@dataclass(frozen=True)
class Rows:
    """The table of results, and the buckets that its images lie in; threads may share it."""

    dynamodb: DynamoDBClient
    s3: S3Client
    table: str
    few: int = FEW

    def look(self, batch: str, wanted: Mapping[str, Wanted], *, thorough: bool) -> Look:
        """The verdicts on the images that a batch wants.

        Few that are missing from the batch's rows are asked about one by one: the index may lag, and a row may belong to
        another batch by now. Many only if `thorough`, a thousand at a time, until one of them is not done.
        """
        verdicts = newest(rows_of_batch(self.dynamodb, self.table, batch), wanted)
        missing = [image for image in wanted if image not in verdicts]
        exact = len(missing) <= self.few
        if exact or thorough:
            with ThreadPoolExecutor(ASKED_AT_ONCE, thread_name_prefix="ask") as pool:
                for first in range(0, len(missing), self.few):
                    some = missing[first : first + self.few]
                    answers = list(pool.map(lambda image: self.verdict_on(image, wanted[image]), some))
                    verdicts |= {verdict.image: verdict for verdict in answers if verdict}
                    if None in answers:
                        break
        return Look(verdicts, len(wanted) - len(verdicts), exact)

    def verdict_on(self, image: str, wanted: Wanted) -> Verdict | None:
        """The newest verdict on the upload that is wanted, or else on a later one; None when there is none yet."""
        verdicts = [it for row in rows_of_image(self.dynamodb, self.table, image) if (it := verdict_in(row))]
        fitting = [it for it in verdicts if wanted.is_of(it)] or self._of_later_uploads(image, wanted, verdicts)
        return max(fitting, key=lambda verdict: verdict.age, default=None)

    def _of_later_uploads(self, image: str, wanted: Wanted, verdicts: Iterable[Verdict]) -> list[Verdict]:
        """Those of the verdicts on other uploads that are surely about a later one.

        Without a version the work is done on what the object is just then: if it began after the wanted upload was
        there, it is about that or a later one; unless the object was gone.
        """
        versioned = [it for it in verdicts if it.version_id is not None]
        as_it_was = [it for it in verdicts if it.version_id is None and it.rejected_code != "gone"]
        later = later_versions(self._uploads_of(image), wanted) if versioned else set()
        return [it for it in versioned if it.version_id in later] + [
            it for it in as_it_was if it.classified_at > wanted.since
        ]

    def _uploads_of(self, image: str) -> list[ObjectVersionTypeDef]:
        """The versions of an object, newest first; a thousand at most."""
        bucket, _, key = image.removeprefix("s3://").partition("/")
        listed = self.s3.list_object_versions(Bucket=bucket, Prefix=key)
        return [it for it in listed.get("Versions", []) if it["Key"] == key]


def newest(rows: Iterable[Item], wanted: Mapping[str, Wanted]) -> dict[str, Verdict]:
    """Of each wanted upload the verdict that was made last, of whichever model; by image."""
    verdicts: dict[str, Verdict] = {}
    for row in rows:
        verdict = verdict_in(row)
        if verdict is None or verdict.image not in wanted or not wanted[verdict.image].is_of(verdict):
            continue
        known = verdicts.get(verdict.image)
        if known is None or known.age < verdict.age:
            verdicts[verdict.image] = verdict
    return verdicts


def later_versions(uploads: Sequence[ObjectVersionTypeDef], wanted: Wanted) -> set[str]:
    """The versions that came after the wanted upload; `uploads` are those that still exist, newest first.

    When the wanted one exists no longer: those that were made since it was there.
    """
    later: set[str] = set()
    for upload in uploads:
        same = (
            upload["VersionId"] == wanted.version_id
            if wanted.version_id is not None
            else upload["ETag"].strip('"') == wanted.etag
        )
        if same:
            return later
        later.add(upload["VersionId"])
    return {upload["VersionId"] for upload in uploads if upload["LastModified"] > wanted.since}
