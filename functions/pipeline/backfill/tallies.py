"""The figures of each part of a backfill, at rest under `batches/JOB/backfill/` in the results bucket.

The figures are in the objects' names: listing them, a thousand parts to a request, is enough to sum up a job of millions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from pipeline.batches.manifests import folder_of
from pipeline.contracts import Tally

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NAMED = re.compile(r"/backfill/(?P<part>[^/.]+)\.(?P<figures>\d+(?:-\d+){4})\.json$")


class PartTally(NamedTuple):
    """The figures of one part, and which images were missing."""

    name: str
    tally: Tally
    missing: Sequence[str] = ()


def write_tally(s3: S3Client, bucket: str, job: str, part: PartTally) -> None:
    """Write the figures of a part."""
    figures = "-".join(str(figure) for _, figure in part.tally)
    document = json.dumps({**part.tally.model_dump(), "missing_images": list(part.missing)})
    key = f"{_folder(job)}{part.name}.{figures}.json"
    s3.put_object(Bucket=bucket, Key=key, Body=document.encode(), ContentType="application/json")


def total(s3: S3Client, bucket: str, job: str) -> Tally:
    """The sum of all parts. If a part was tried again with other figures, the try that enqueued most counts."""
    tallies: dict[str, Tally] = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=_folder(job)):
        for entry in page.get("Contents", []):
            if named := _NAMED.search(entry["Key"]):
                one = _tally_of(named["figures"])
                tallies[named["part"]] = max(tallies.get(named["part"], one), one, key=lambda it: it.enqueued)
    return Tally(**{name: sum(getattr(it, name) for it in tallies.values()) for name in Tally.model_fields})


def missing_images(s3: S3Client, bucket: str, job: str, most: int) -> list[str]:
    """Images that a manifest named and that were not there, at most so many."""
    found: dict[str, None] = {}  # a part that was tried again names its own twice
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=_folder(job)):
        for entry in page.get("Contents", []):
            named = _NAMED.search(entry["Key"])
            if named and _tally_of(named["figures"]).missing:
                document = json.loads(s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read())
                found |= dict.fromkeys(document["missing_images"])
                if len(found) >= most:
                    return list(found)[:most]
    return list(found)


def _tally_of(figures: str) -> Tally:
    return Tally(**dict(zip(Tally.model_fields, map(int, figures.split("-")), strict=True)))


def _folder(job: str) -> str:
    return f"{folder_of(job)}backfill/"
