"""Whether a row is about a certain upload. The one home of this rule. No I/O."""

from __future__ import annotations

from typing import Protocol


class Upload(Protocol):
    """What tells uploads of one key apart: S3's version, and the etag of the bytes."""

    @property
    def version_id(self) -> str | None: ...

    @property
    def etag(self) -> str | None: ...


def same_upload(expected: Upload, found: Upload) -> bool:
    """Whether `found`, a row or a version in S3's list, is about the expected upload: by version, or else by bytes.

    A row without a version is a backfilled one, and an expected upload without one is backfilled, of a bucket without
    versions, or typed by a person; the etag decides then. An upload of which neither is known is whatever is found.
    """
    if expected.version_id is not None and found.version_id is not None:
        return expected.version_id == found.version_id
    if expected.etag is not None:
        return expected.etag == found.etag
    return expected.version_id is None
