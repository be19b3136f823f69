"""The uploads in a bucket, page by page: of each object the latest version, whatever its key is made of.

S3 lists versions in XML, which holds no control character: it encodes the names on request (botocore requests it, and decodes them).
A store that does not encode them answers 500 or what is no XML, for a page with one such key, and makes line feeds of carriage
returns. Such a page is taken from the list of objects instead, which names no versions; an etag tells uploads apart, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError, PaginationError
from botocore.parsers import ResponseParserError

from pipeline.contracts import ImageRef

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectVersionsOutputTypeDef, ObjectTypeDef, ObjectVersionTypeDef

_NOT_IN_XML = re.compile("[\0-\x08\x0b\x0c\r\x0e-\x1f\ufffe\uffff]")  # of XML 1.0; \r becomes \n there
UNVERSIONED = "null"  # S3's version of what was uploaded while the bucket kept no versions; its event names none


class ListedUpload(NamedTuple):
    """The latest version of an object; its sequencer is not known, for only its event names it."""

    image: ImageRef
    uploaded_at: datetime  # of a multipart upload: when it began


class Page(NamedTuple):
    """A part of the list, in the order of the keys."""

    uploads: Sequence[ListedUpload]
    last_key: str | None  # the list goes on after it; None at its end
    problem: str | None = None  # why the page names no versions


def pages_of_uploads(s3: S3Client, bucket: str, prefix: str, after_key: str | None = None) -> Iterator[Page]:
    """The objects under the prefix, as they are now; what was deleted is none of them. Each page begins after the last."""
    place: tuple[str | None, str | None] = (after_key, None)
    while True:
        page, *after = _page(s3, bucket, prefix, *place)
        yield page
        if page.last_key is None:
            return
        if tuple(after) == place:
            raise PaginationError(message=f"the list of {bucket} does not go on after {page.last_key!a}")
        place = (after[0], after[1])


def versions_of(s3: S3Client, bucket: str, key: str) -> list[ObjectVersionTypeDef]:
    """The versions of one object that are no delete markers, newest first; a thousand at most.

    If the store cannot list them beside a key that begins alike, the newest alone; if it cannot list this key, none.
    """
    sizes: tuple[dict[str, Any], ...] = ({}, {"MaxKeys": 1})
    for size in sizes:
        try:
            listed = s3.list_object_versions(Bucket=bucket, Prefix=key, **size)
        except (ClientError, ResponseParserError) as error:
            if not _is_unspeakable(error):
                raise
        else:
            return [it for it in listed.get("Versions", []) if it["Key"] == key]
    return []


def _page(
    s3: S3Client, bucket: str, prefix: str, key: str | None, version_id: str | None
) -> tuple[Page, str | None, str | None]:
    """The page after this version of this key, and the place where it ends; a page from the list of objects ends with a key."""
    place = {name: it for name, it in (("KeyMarker", key), ("VersionIdMarker", version_id)) if it is not None}
    problem = None
    try:
        versions = s3.list_object_versions(Bucket=bucket, Prefix=prefix, **place)  # type: ignore[arg-type]
        if not _may_be_misread(versions):
            return _of_versions(versions, bucket)
    except (ClientError, ResponseParserError) as error:
        if not _is_unspeakable(error):
            raise
        problem = str(error)
    found, last_key = _objects_after(s3, bucket, prefix, key)
    if problem is None and not any("\r" in it["Key"] for it in found):
        return _of_versions(versions, bucket)
    uploads = [_listed(bucket, it, None) for it in found]
    return Page(uploads, last_key, problem or "a name in it has a carriage return"), last_key, None


def _objects_after(s3: S3Client, bucket: str, prefix: str, key: str | None) -> tuple[list[ObjectTypeDef], str | None]:
    """Objects after this key, and the last key, at which any list can go on; None at the end."""
    found: list[ObjectTypeDef] = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, StartAfter=key or ""):
        found += page.get("Contents", [])
        if page["IsTruncated"] and found and not _NOT_IN_XML.search(found[-1]["Key"]):
            return found, found[-1]["Key"]
    return found, None


def _of_versions(page: ListObjectVersionsOutputTypeDef, bucket: str) -> tuple[Page, str | None, str | None]:
    uploads = [_listed(bucket, it, it["VersionId"]) for it in page.get("Versions", []) if it["IsLatest"]]
    key = page.get("NextKeyMarker")
    return Page(uploads, key), key, page.get("NextVersionIdMarker")


def _listed(bucket: str, entry: ObjectTypeDef | ObjectVersionTypeDef, version_id: str | None) -> ListedUpload:
    image = ImageRef(
        bucket=bucket,
        key=entry["Key"],
        version_id=None if version_id == UNVERSIONED else version_id,
        etag=entry["ETag"].strip('"'),
        size_bytes=entry["Size"],
        sequencer="",
    )
    return ListedUpload(image, entry["LastModified"])


def _may_be_misread(page: ListObjectVersionsOutputTypeDef) -> bool:
    """Whether a carriage return may have become a line feed: XML makes one of the other, unless names are encoded."""
    return page.get("EncodingType") != "url" and any("\n" in it["Key"] for it in page.get("Versions", []))


def _is_unspeakable(error: ClientError | ResponseParserError) -> bool:
    """Whether the answer was 500 or no XML, as for a name that XML cannot hold."""
    return isinstance(error, ResponseParserError) or error.response["ResponseMetadata"]["HTTPStatusCode"] == 500
