"""S3's inventory in each of its formats names the same objects."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet as pq
import pytest

from bulk.inventory import objects_in, read_manifest
from bulk.job import BulkRefused
from tests.bulk.conftest import PHOTOS, RESULTS, Aws

MANIFEST = f"s3://{RESULTS}/inventory/manifest.json"
COLUMNS = ("bucket", "key", "version_id", "is_latest", "is_delete_marker", "size", "e_tag")
IN_CSV = ("Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "ETag")
ODD = "a/été & 100% + ball #1, (copy).jpg"
OBJECTS = [
    (PHOTOS, ODD, "v2", True, False, 7, "e2"),
    (PHOTOS, ODD, "v1", False, False, 5, "e1"),
    (PHOTOS, "a/deleted.jpg", "v4", True, True, None, None),
    (PHOTOS, "a/unversioned.jpg", "null", True, False, 9, "e3"),
    (PHOTOS, "b/other.jpg", "v5", True, False, 8, "e4"),
]
Rows = Sequence[tuple[object, ...]]


def csv(rows: Rows) -> bytes:
    def text(value: object, column: int) -> str:
        said = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        return f'"{quote_plus(said, safe="/") if column == 1 else said}"'

    lines = [",".join(text(value, column) for column, value in enumerate(row)) for row in rows]
    return gzip.compress(("\n".join(lines) + "\n").encode())


def table(rows: Rows) -> pa.Table:
    return pa.table(dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True)))


def parquet(rows: Rows) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table(rows), sink)
    return sink.getvalue()


def orc(rows: Rows) -> bytes:
    sink = io.BytesIO()
    pyarrow.orc.write_table(table(rows), sink)
    return sink.getvalue()


FORMATS = {"CSV": (csv, ".csv.gz"), "Parquet": (parquet, ".parquet"), "ORC": (orc, ".orc")}


def store(
    aws: Aws, kind: str, files: Sequence[bytes], *, schema: str = ", ".join(IN_CSV), md5: str | None = None
) -> None:
    """An inventory as S3 delivers it."""
    named = []
    for number, body in enumerate(files):
        key = f"inventory/data/{number}{FORMATS[kind][1]}"
        aws.s3.put_object(Bucket=RESULTS, Key=key, Body=body)
        named.append({"key": key, "size": len(body), "MD5checksum": md5 or hashlib.md5(body).hexdigest()})
    manifest = {
        "sourceBucket": PHOTOS, "destinationBucket": f"arn:aws:s3:::{RESULTS}", "version": "2016-11-30",
        "creationTimestamp": "1514944800000", "fileFormat": kind, "fileSchema": schema, "files": named,
    }  # fmt: skip
    aws.s3.put_object(Bucket=RESULTS, Key="inventory/manifest.json", Body=json.dumps(manifest).encode())


def objects(aws: Aws, prefix: str = "a/") -> list[tuple[object, ...]]:
    manifest = read_manifest(aws.s3, MANIFEST, PHOTOS)
    return [tuple(it.values()) for some in objects_in(aws.s3, manifest, prefix) for it in some.to_pylist()]


@pytest.mark.parametrize(("kind", "written"), [(kind, write) for kind, (write, _) in FORMATS.items()])
def test_the_latest_version_of_each_object_under_the_prefix_is_named_once(
    aws: Aws, kind: str, written: Callable[[Rows], bytes]
) -> None:
    store(aws, kind, [written(OBJECTS[:2]), written(OBJECTS[2:])])
    assert objects(aws) == [(ODD, "v2", "e2", 7), ("a/unversioned.jpg", None, "e3", 9)]
    assert len(objects(aws, "")) == 3


def test_an_inventory_of_current_versions_alone_has_no_column_for_them(aws: Aws) -> None:
    rows = [(PHOTOS, "a/1.jpg", 7, "e1")]
    store(aws, "CSV", [csv(rows)], schema="Bucket, Key, Size, ETag")
    assert objects(aws) == [("a/1.jpg", None, "e1", 7)]


def test_an_inventory_without_sizes_or_etags_is_refused_with_what_to_choose(aws: Aws) -> None:
    store(aws, "CSV", [csv([(PHOTOS, "a/1.jpg", 7)])], schema="Bucket, Key, Size")
    with pytest.raises(BulkRefused, match="has no ETag: choose"):
        objects(aws)


def test_a_file_that_is_not_the_one_of_the_manifest_is_refused(aws: Aws) -> None:
    store(aws, "CSV", [csv(OBJECTS)], md5="0" * 32)
    with pytest.raises(BulkRefused, match="MD5"):
        objects(aws)


@pytest.mark.parametrize(
    ("location", "bucket", "refused"),
    [
        ("inventory/manifest.json", PHOTOS, "no place in S3"),
        (f"s3://{RESULTS}/missing/manifest.json", PHOTOS, "there is no"),
        (f"s3://{RESULTS}/text", PHOTOS, "no manifest of an S3 Inventory"),
        (MANIFEST, "another", "an inventory of 'photos'"),
    ],
)
def test_what_is_no_inventory_of_the_bucket_is_refused(aws: Aws, location: str, bucket: str, refused: str) -> None:
    store(aws, "CSV", [csv(OBJECTS)])
    aws.s3.put_object(Bucket=RESULTS, Key="text", Body=b"no manifest")
    with pytest.raises(BulkRefused, match=refused):
        read_manifest(aws.s3, location, bucket)
