"""The archive of the model: one version of one object, whose bytes must have the SHA-256 that the deployment names."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict

from pipeline.errors import ModelUnavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PIECE = 2**20  # bytes read at once


class ArchiveRef(BaseModel):
    """Where the archive lies, and what it must be."""

    model_config = ConfigDict(frozen=True)

    bucket: str
    key: str
    version_id: str
    sha256: str

    @property
    def uri(self) -> str:
        """Its name in sentences."""
        return f"s3://{self.bucket}/{self.key}"


def fetch(s3: S3Client, archive: ArchiveRef, folder: Path) -> Path:
    """The `.mar` in `folder`, whole and checked; ModelUnavailable, with what to do, if S3 or its digest refuses it."""
    if not archive.key:
        raise ModelUnavailable(
            "the stack has no model yet: `podium deploy --stack NAME --archive NAME.mar` gives it one."
        )
    target = folder / Path(archive.key).name
    digest = hashlib.sha256()
    try:
        with target.open("wb") as file:
            for piece in _pieces(s3, archive):
                digest.update(piece)
                file.write(piece)
    except OSError as error:
        with suppress(OSError):
            target.unlink(missing_ok=True)
        free = shutil.disk_usage(folder).free
        raise ModelUnavailable(
            f"the model's archive {archive.uri} cannot be written to {folder} ({error.strerror}; {free:,} bytes are free): "
            "give the function more EphemeralStorage."
        ) from error
    except (ClientError, BotoCoreError) as error:
        target.unlink(missing_ok=True)
        raise ModelUnavailable(
            f"the model's archive {archive.uri} (version {archive.version_id}) cannot be fetched: {error}. "
            "Is it there, and may the function read it? Deploy again with the archive."
        ) from error
    if digest.hexdigest() != archive.sha256:
        target.unlink()
        raise ModelUnavailable(
            f"the model's archive {archive.uri} (version {archive.version_id}) has the SHA-256 {digest.hexdigest()}, "
            f"and the deployment names {archive.sha256}: deploy again with the archive that you mean."
        )
    return target


def _pieces(s3: S3Client, archive: ArchiveRef) -> Iterator[bytes]:
    answer = s3.get_object(Bucket=archive.bucket, Key=archive.key, VersionId=archive.version_id)
    return answer["Body"].iter_chunks(PIECE)
