"""A large batch in slices: each is looked at and written down by itself, and one table and one summary are made of them.

batches/NAME/slices/REVISION/0007-of-0032.csv and .json -> batches/NAME/results.csv and summary.json

S3 puts the tables together without their bytes coming here; parts of less than 5 MiB, which it refuses, are read instead.
"""

from __future__ import annotations

import io
import math
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from pipeline.batches.manifests import folder_of
from pipeline.batches.outcomes import Outcome
from pipeline.contracts import BatchSummary
from pipeline.finish.summary import most_frequent_first, summary_of, write_table
from pipeline.results.index_keys import SHARDS, shards_of_slice, slice_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

CSV = "text/csv; charset=utf-8"
# Of a multipart upload, https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
LEAST_PART_BYTES = 5 * 1024 * 1024
EVEN = 0.9  # slices are not quite of one size


def slices_for(images: int, most: int) -> int:
    """Into how many slices a batch of so many images is cut, so that none has more than `most`: 1, 2, 4, ... 16, 32, 48, ..."""
    wanted = math.ceil(images / (EVEN * most))
    if wanted > SHARDS:
        return SHARDS * math.ceil(wanted / SHARDS)
    return next(slices for slices in range(wanted, SHARDS + 1) if SHARDS % slices == 0)


@dataclass(frozen=True)
class Slice:
    """One slice of a batch."""

    s3: S3Client
    bucket: str
    folder: str
    number: int
    slices: int

    @property
    def shards(self) -> list[int]:
        """The shards that its rows are in."""
        return shards_of_slice(self.number, self.slices)

    @property
    def key(self) -> str:
        """Where it lies in the results bucket, without the ending."""
        return f"{self.folder}{self.number:04}-of-{self.slices:04}"

    def has(self, image: str) -> bool:
        """Whether the image is in this slice."""
        return slice_of(image, self.slices) == self.number

    def write(self, outcomes: Mapping[str, Outcome]) -> None:
        """Write its table and its figures; doing it again writes the same."""
        put_table(self.s3, self.bucket, f"{self.key}.csv", outcomes, header=self.number == 0)
        summary = summary_of("", "", outcomes.values(), results_key=f"{self.key}.csv")
        self.s3.put_object(Bucket=self.bucket, Key=f"{self.key}.json", Body=summary.model_dump_json().encode())


@dataclass(frozen=True)
class Slices:
    """All slices of one revision of a batch."""

    s3: S3Client
    bucket: str
    batch: str
    revision: str
    slices: int
    least_part_bytes: int = LEAST_PART_BYTES

    def slice(self, number: int) -> Slice:
        """One of them."""
        return Slice(self.s3, self.bucket, f"{folder_of(self.batch)}slices/{self.revision}/", number, self.slices)

    def summary(self, results_key: str) -> BatchSummary:
        """The figures of the whole batch."""
        read = (self.s3.get_object(Bucket=self.bucket, Key=f"{it.key}.json")["Body"].read() for it in self._all())
        return sum_of(map(BatchSummary.model_validate_json, read), self.batch, self.revision, results_key)

    def write_table(self, results_key: str) -> None:
        """One table of all slices, one after the other."""
        keys = [f"{it.key}.csv" for it in self._all()]
        sizes = [self.s3.head_object(Bucket=self.bucket, Key=key)["ContentLength"] for key in keys]
        if min(sizes[:-1]) >= self.least_part_bytes:
            self._copy_together(keys, results_key)
        else:
            self._read_together(keys, results_key)

    def _all(self) -> Iterator[Slice]:
        return map(self.slice, range(self.slices))

    def _copy_together(self, keys: list[str], results_key: str) -> None:
        begun = self.s3.create_multipart_upload(Bucket=self.bucket, Key=results_key, ContentType=CSV)
        upload_id = begun["UploadId"]
        parts: list[CompletedPartTypeDef] = []
        for number, key in enumerate(keys, start=1):
            copied = self.s3.upload_part_copy(
                Bucket=self.bucket, Key=results_key, UploadId=upload_id, PartNumber=number,
                CopySource={"Bucket": self.bucket, "Key": key},
            )  # fmt: skip
            parts.append({"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]})
        self.s3.complete_multipart_upload(
            Bucket=self.bucket, Key=results_key, UploadId=upload_id, MultipartUpload={"Parts": parts}
        )

    def _read_together(self, keys: list[str], results_key: str) -> None:
        with TemporaryFile() as file:
            for key in keys:
                shutil.copyfileobj(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"], file)
            file.seek(0)
            self.s3.put_object(Bucket=self.bucket, Key=results_key, Body=file, ContentType=CSV)


def put_table(s3: S3Client, bucket: str, key: str, outcomes: Mapping[str, Outcome], *, header: bool = True) -> None:
    """Write a table of these outcomes, as CSV."""
    with TemporaryFile() as file:  # on disk: the table of a large batch has tens of megabytes
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        write_table(outcomes, text, header=header)
        text.flush()
        file.seek(0)
        s3.put_object(Bucket=bucket, Key=key, Body=file, ContentType=CSV)


def sum_of(parts: Iterable[BatchSummary], batch: str, revision: str, results_key: str) -> BatchSummary:
    """The figures of a batch from those of its slices."""
    every = list(parts)
    firsts = [it.first_classified_at for it in every if it.first_classified_at]
    lasts = [it.last_classified_at for it in every if it.last_classified_at]
    return BatchSummary(
        batch=batch,
        revision=revision,
        total=sum(it.total for it in every),
        classified=sum(it.classified for it in every),
        rejected=sum(it.rejected for it in every),
        uncertain=sum(it.uncertain for it in every),
        labels=most_frequent_first(sum((Counter(it.labels) for it in every), Counter())),
        rejections=most_frequent_first(sum((Counter(it.rejections) for it in every), Counter())),
        models=most_frequent_first(sum((Counter(it.models) for it in every), Counter())),
        first_classified_at=min(firsts, default=None),
        last_classified_at=max(lasts, default=None),
        results_key=results_key,
    )
