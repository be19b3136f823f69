"""Fetches the archive that a GPU task serves: one version of one object, which gets its name only when its SHA-256 is right.

get_object by version -> unchecked -> SHA-256 -> model.mar

It runs in a container of its own before the server's (model_server/gpu-stack.yaml), so that the server knows no AWS. An archive is code:
nothing is loaded before its digest was right.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError


class NotFetched(Exception):
    """There is no archive: a sentence for the person."""


def fetch(region: str, bucket: str, key: str, object_version: str, sha256: str, target: Path) -> None:
    """Write the object's version to `target`, readable for all and writable for nobody. Raises NotFetched; then nothing is there."""
    source = f"s3://{bucket}/{key} (version {object_version})"
    unchecked = target.with_name("unchecked")
    try:
        boto3.client("s3", region_name=region).download_file(
            bucket, key, str(unchecked), ExtraArgs={"VersionId": object_version}
        )
    except (BotoCoreError, ClientError) as error:
        raise NotFetched(f"{source} cannot be read: {error}") from error
    with unchecked.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        unchecked.unlink()
        raise NotFetched(
            f"{source} has the SHA-256 {found}, expected {sha256}. Deploy with the digest of the right file."
        )
    unchecked.chmod(0o444)
    unchecked.rename(target)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of the container; the exit code is 0 once the archive is there."""
    parser = argparse.ArgumentParser(prog="fetch", description=__doc__.partition("\n")[0])
    for name in ("region", "bucket", "key", "object-version", "sha256"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--to", type=Path, required=True, metavar="FILE")
    given = parser.parse_args(arguments)
    try:
        fetch(given.region, given.bucket, given.key, given.object_version, given.sha256, given.to)
    except NotFetched as problem:
        sys.stderr.write(f"fetch: {problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
