"""An S3 Inventory as tables of objects: its manifest.json, then its files, CSV, Parquet or ORC, one after another.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import unquote_plus

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.orc
import pyarrow.parquet as pq
from pydantic import Field, ValidationError

from bulk.job import BulkRefused
from bulk.shards import OBJECTS
from pipeline.contracts import Record
from pipeline.uploads import UNVERSIONED

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NEEDED = {"key": "Key", "size": "Size", "e_tag": "ETag"}  # by their names in Parquet and ORC, and in CSV
_OPTIONAL = {"version_id": "VersionId", "is_latest": "IsLatest", "is_delete_marker": "IsDeleteMarker"}
_ARN = re.compile(r"arn:[^:]+:s3:::(?P<bucket>.+)")
PIECE = 2**20  # bytes of a file hashed at once


class InventoryFile(Record):
    """One file of the inventory."""

    key: str
    md5: Annotated[str, Field(alias="MD5checksum")]


class Manifest(Record):
    """What the inventory is of, and where its files lie."""

    source_bucket: Annotated[str, Field(alias="sourceBucket")]
    destination: Annotated[str, Field(alias="destinationBucket")]  # an ARN
    format: Annotated[Literal["CSV", "Parquet", "ORC"], Field(alias="fileFormat")]
    columns: Annotated[str, Field(alias="fileSchema")]
    files: tuple[InventoryFile, ...]

    @property
    def bucket(self) -> str:
        """Where the files lie."""
        named = _ARN.fullmatch(self.destination)
        return named["bucket"] if named else self.destination


def read_manifest(s3: S3Client, location: str, bucket: str) -> Manifest:
    """The manifest at `s3://BUCKET/.../manifest.json`; BulkRefused if it is none, or of another bucket than `bucket`."""
    named = re.fullmatch(r"s3://([^/]+)/(.+)", location)
    if named is None:
        raise BulkRefused(f"{location!r} is no place in S3: write s3://bucket/.../manifest.json.")
    try:
        manifest = Manifest.model_validate_json(s3.get_object(Bucket=named[1], Key=named[2])["Body"].read())
    except s3.exceptions.NoSuchKey as error:
        raise BulkRefused(f"there is no {location}: name the manifest.json of an S3 Inventory.") from error
    except ValidationError as error:
        raise BulkRefused(f"{location} is no manifest of an S3 Inventory: {error.errors()[0]['msg']}.") from error
    if manifest.source_bucket != bucket:
        raise BulkRefused(f"{location} is an inventory of {manifest.source_bucket!r}, and not of {bucket!r}.")
    return manifest


def objects_in(s3: S3Client, manifest: Manifest, prefix: str) -> Iterator[pa.Table]:
    """The latest version of each object under the prefix, columns as OBJECTS; what is deleted is none of them.

    Memory holds a block of one file, the disk one file. BulkRefused for a file that is damaged or lacks a column.
    """
    read = _READERS[manifest.format]
    for file in manifest.files:
        with tempfile.TemporaryDirectory(prefix="podium-inventory-") as folder:
            path = Path(folder, "data" + (".csv.gz" if file.key.endswith(".gz") else ""))
            s3.download_file(manifest.bucket, file.key, str(path))
            _check(path, file)
            for table in read(path, [name.strip() for name in manifest.columns.split(",")]):
                found = _as_objects(_current(table, file), encoded=manifest.format == "CSV")
                yield found.filter(pc.starts_with(found["key"], prefix)) if prefix else found


def _check(path: Path, file: InventoryFile) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as opened:
        while piece := opened.read(PIECE):
            digest.update(piece)
    if digest.hexdigest() != file.md5:
        raise BulkRefused(f"{file.key} of the inventory has not the MD5 that its manifest names: {file.md5}.")


def _csv(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Columns by their names in Parquet, text."""
    names = {ours: name for name, ours in (_NEEDED | _OPTIONAL).items()}
    known = [names.get(column, column) for column in columns]
    with pyarrow.csv.open_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(column_names=known, use_threads=False),
        convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(known, pa.string()), include_columns=[
            name for name in known if name in _NEEDED | _OPTIONAL
        ]),
    ) as reader:  # fmt: skip
        for batch in reader:
            yield pa.Table.from_batches([batch])


def _parquet(path: Path, _: Sequence[str]) -> Iterator[pa.Table]:
    with pq.ParquetFile(path) as file:
        wanted = [name for name in file.schema_arrow.names if name in _NEEDED | _OPTIONAL]
        for batch in file.iter_batches(columns=wanted):
            yield pa.Table.from_batches([batch])


def _orc(path: Path, _: Sequence[str]) -> Iterator[pa.Table]:
    file = pyarrow.orc.ORCFile(path)
    wanted = [name for name in file.schema.names if name in _NEEDED | _OPTIONAL]
    for stripe in range(file.nstripes):
        yield pa.Table.from_batches([file.read_stripe(stripe, columns=wanted)])


_READERS: dict[str, Callable[[Path, Sequence[str]], Iterator[pa.Table]]] = {
    "CSV": _csv,
    "Parquet": _parquet,
    "ORC": _orc,
}


def _current(table: pa.Table, file: InventoryFile) -> pa.Table:
    if lacking := [_NEEDED[name] for name in _NEEDED if name not in table.column_names]:
        raise BulkRefused(
            f"{file.key} of the inventory has no {' and no '.join(lacking)}: choose these optional fields in its configuration."
        )
    keep = _is(table, "is_latest", otherwise=True)
    keep = pc.and_(keep, pc.invert(_is(table, "is_delete_marker", otherwise=False)))
    return table.filter(keep)


def _is(table: pa.Table, name: str, *, otherwise: bool) -> pa.ChunkedArray | pa.Array:
    if name not in table.column_names:
        return pa.repeat(pa.scalar(otherwise), table.num_rows)
    column = table[name]
    said = column if pa.types.is_boolean(column.type) else pc.equal(pc.utf8_lower(column), "true")
    return pc.fill_null(said, otherwise)


def _unquoted(keys: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array([unquote_plus(key) for key in keys.to_pylist()], pa.string())])


def _as_objects(table: pa.Table, *, encoded: bool) -> pa.Table:
    """Columns as OBJECTS; in CSV, and only there, S3 writes keys URL-encoded."""
    versions = table["version_id"] if "version_id" in table.column_names else pa.nulls(table.num_rows, pa.string())
    none = pc.or_(pc.equal(versions, ""), pc.equal(versions, UNVERSIONED))
    return pa.table(
        {
            "key": _unquoted(table["key"]) if encoded else table["key"],
            "version_id": pc.if_else(pc.fill_null(none, fill_value=True), pa.scalar(None, pa.string()), versions),
            "etag": pc.utf8_trim(table["e_tag"], '"'),
            "size_bytes": pc.cast(table["size"], pa.int64()),
        },
        schema=OBJECTS,
    )
