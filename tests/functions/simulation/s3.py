"""S3 as the pipeline calls it: versioned buckets."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any

from botocore.exceptions import ResponseStreamingError

from tests.functions.simulation.effects import Effects, aws_error


@dataclass(frozen=True)
class Version:
    """One version of one object; without bytes, a delete marker."""

    version_id: str
    data: bytes | None
    modified: datetime

    @property
    def etag(self) -> str:
        return hashlib.md5(self.data or b"", usedforsecurity=False).hexdigest()


class S3:
    """What lies in the buckets, each key's oldest version first."""

    def __init__(self, *buckets: str) -> None:
        self.buckets: dict[str, dict[str, list[Version]]] = {bucket: {} for bucket in buckets}
        self._made = 0

    def put(self, bucket: str, key: str, data: bytes | None, modified: datetime) -> Version:
        self._made += 1
        version = Version(f"v{self._made}", data, modified)
        self.buckets[bucket].setdefault(key, []).append(version)
        return version

    def latest(self, bucket: str, key: str) -> Version | None:
        """None when there is none, or a delete marker."""
        versions = self.buckets[bucket].get(key, [])
        return versions[-1] if versions and versions[-1].data is not None else None

    def find(self, bucket: str, key: str, version_id: str | None) -> Version:
        if version_id is None:
            latest = self.latest(bucket, key)
            if latest is None:
                raise aws_error("GetObject", "NoSuchKey")
            return latest
        for version in self.buckets[bucket].get(key, []):
            if version.version_id == version_id:
                if version.data is None:
                    raise aws_error("GetObject", "MethodNotAllowed")
                return version
        raise aws_error("GetObject", "NoSuchVersion")


class S3Fake:
    """A client of it."""

    def __init__(self, world: Effects, s3: S3, now: Callable[[], datetime]) -> None:
        self._world, self._s3, self._now = world, s3, now

    def get_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        VersionId: str | None = None,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        version = self._world.effect("s3.get_object", lambda: self._s3.find(Bucket, Key, VersionId))
        if IfMatch not in {None, f'"{version.etag}"'}:
            raise aws_error("GetObject", "PreconditionFailed")
        return {"Body": _Body(self._world, version.data or b"")}

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        version = self._world.effect("s3.head_object", lambda: self._s3.latest(Bucket, Key))
        if version is None:
            raise aws_error("HeadObject", "404")
        return {"ETag": f'"{version.etag}"', "ContentLength": len(version.data or b"")}

    def list_objects(self, bucket: str) -> dict[str, Version]:
        """For Step Functions, which lists without code of ours: the latest version of every key, at one moment."""

        def latest() -> dict[str, Version]:
            found = {key: self._s3.latest(bucket, key) for key in self._s3.buckets[bucket]}
            return {key: version for key, version in found.items() if version is not None}

        return self._world.effect("s3.list_objects", latest)

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> dict[str, Any]:  # noqa: ARG002, N803
        version = self._world.effect("s3.put_object", lambda: self._s3.put(Bucket, Key, Body, self._now()))
        return {"VersionId": version.version_id}

    def list_object_versions(self, *, Bucket: str, Prefix: str, KeyMarker: str = "") -> dict[str, Any]:  # noqa: N803
        """One page, taken at one moment."""

        def versions() -> list[dict[str, Any]]:
            return [
                {
                    "Key": key,
                    "VersionId": version.version_id,
                    "ETag": f'"{version.etag}"',
                    "Size": len(version.data),
                    "IsLatest": version is of_key[-1],
                    "LastModified": version.modified,
                }
                for key, of_key in sorted(self._s3.buckets[Bucket].items())
                if key.startswith(Prefix) and key > KeyMarker
                for version in reversed(of_key)
                if version.data is not None
            ]

        return {"EncodingType": "url", "Versions": self._world.effect("s3.list_object_versions", versions)}


class _Body:
    """The bytes on their way: the connection may break between the first of them and the rest."""

    def __init__(self, world: Effects, data: bytes) -> None:
        self._world, self._data = world, BytesIO(data)

    def read(self, size: int | None = None) -> bytes:
        part = self._data.read(size)
        return self._world.effect(
            "s3.read_body",
            lambda: part,
            refused=lambda: ResponseStreamingError(error="reset"),
            lost=lambda: ResponseStreamingError(error="reset"),
        )

    def close(self) -> None:
        pass
