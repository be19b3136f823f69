"""The archive of the model in a stack's results bucket, from where the classify function loads it."""

from __future__ import annotations

from pathlib import Path

from inference.archive.digest import file_sha256
from podium.archives import ArchivedModel, read_archive
from podium.connection import Connection
from podium.errors import ConsoleError

ENGINE = "openvino"  # of the function; it has no torch
FOLDER = "models/"
SHA256 = "sha256"  # metadata of the object
NO_MODEL = {"ModelServerUrl": "", "ModelArchive": "", "ModelArchiveVersion": "", "ModelArchiveSha256": ""}


def read_for_function(archive: Path) -> ArchivedModel:
    """The model of an archive that a function can load; ConsoleError for another."""
    model = read_archive(archive)
    if not any(it.engine == ENGINE for it in model.engines):
        raise ConsoleError(
            f"{archive} holds nothing that the classify function could compute with: it has no torch. Package it again "
            f"with `podium package RUN --engine {ENGINE}`."
        )
    return model


def publish(connection: Connection, archive: Path) -> dict[str, str]:
    """Upload the archive, unless its bytes are there already; the template's parameters that name this very version."""
    model = read_for_function(archive)
    sha256 = file_sha256(archive)
    bucket, key = connection.facts.results_bucket, f"{FOLDER}{model.name}-{model.version}.mar"
    version = _version_there(connection, bucket, key, sha256)
    if version is None:
        connection.s3.upload_file(str(archive), bucket, key, ExtraArgs={"Metadata": {SHA256: sha256}})
        version = _version_there(connection, bucket, key, sha256)
    if version is None:
        raise ConsoleError(f"s3://{bucket}/{key} was replaced by another archive just now. Deploy again.")
    return {
        "ModelServerUrl": "",
        "ModelArchive": key,
        "ModelArchiveVersion": version,
        "ModelArchiveSha256": sha256,
        "ModelName": model.name,
        "ModelVersion": model.version,
    }


def _version_there(connection: Connection, bucket: str, key: str, sha256: str) -> str | None:
    from botocore.exceptions import ClientError

    try:
        head = connection.s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
            return None
        raise
    return head["VersionId"] if head["Metadata"].get(SHA256) == sha256 else None
