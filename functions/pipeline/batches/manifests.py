"""The manifest of a batch: parts under `batches/NAME/manifest/` in the results bucket.

Each writer adds parts of its own, named by their content: nobody overwrites, and a part written twice is one part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pipeline.contracts import BATCHES_PREFIX, ExpectedImage, ManifestPart

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

IMAGES_PER_PART = 10_000
READ_AT_ONCE = 16


def folder_of(batch: str) -> str:
    """Where everything about a batch lies in the results bucket."""
    return f"{BATCHES_PREFIX}{batch}/"


def write_part(s3: S3Client, bucket: str, part: ManifestPart) -> str:
    """Write the part; its key."""
    named = part.model_dump_json(include={"batch", "images"}, exclude_none=True)
    key = f"{folder_of(part.batch)}manifest/{hashlib.sha256(named.encode()).hexdigest()[:16]}.json"
    document = part.model_dump_json(exclude_none=True).encode()
    s3.put_object(Bucket=bucket, Key=key, Body=document, ContentType="application/json")
    return key


def part_keys(s3: S3Client, bucket: str, batch: str) -> list[str]:
    """The keys of all parts of a batch's manifest, in the order of their names; empty when there is none."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{folder_of(batch)}manifest/")
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def read_parts(s3: S3Client, bucket: str, keys: Iterable[str]) -> Iterator[ManifestPart]:
    """The parts in the order of their keys; several are read at once, for a batch may have thousands of small ones."""

    def read(key: str) -> ManifestPart:
        return ManifestPart.model_validate_json(s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    keys = list(keys)
    with ThreadPoolExecutor(READ_AT_ONCE, thread_name_prefix="part") as pool:
        for first in range(0, len(keys), READ_AT_ONCE):  # no more of them in memory than that
            yield from pool.map(read, keys[first : first + READ_AT_ONCE])


def expected_images(parts: Iterable[ManifestPart]) -> dict[str, ExpectedImage]:
    """Every image of the batch once, by its URI; the part that was made last names its upload."""
    in_order = sorted(parts, key=lambda part: part.created_at)
    return {expected.image: expected for part in in_order for expected in part.images}


def count_images(parts: Iterable[ManifestPart], *, exact_up_to: int) -> int:
    """How many images the parts name: each once, up to so many; beyond, as often as parts name it."""
    named, different = 0, set[int]()
    for part in parts:
        named += len(part.images)
        if named <= exact_up_to:
            different.update(hash(it.image) for it in part.images)
    return len(different) if named <= exact_up_to else named


def revision_of(keys: Iterable[str]) -> str:
    """A name for the manifest as a whole; it changes when a part is added."""
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()[:16]
