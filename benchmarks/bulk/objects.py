"""A bucket of photos, made of fewer: each enlarged once to the size of a camera's small picture, and stored under many keys."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image

SHORT_SIDE = 600  # pixels: about 93 KB a photo at this quality, as in docs/results/serving.md
QUALITY = 91
BAD_EVERY = 100  # one object of so many is no photo
BAD = (b"", b"no photo, but a text\n", b"\xff\xd8\xff\xe0" + bytes(2_000))  # empty, unsupported, unreadable


def photos_in(folder: Path, most: int) -> list[bytes]:
    """As many of the folder's photos, JPEG, enlarged."""
    found = sorted(folder.rglob("*.jpg"))
    paths = found[:: max(1, len(found) // most)][:most]
    return list(map(_enlarged, paths))


def fill(s3: Any, bucket: str, photos: Sequence[bytes], images: int) -> dict[str, int]:  # noqa: ANN401 - an S3 client
    """Store so many objects; which keys hold what: the number of a photo, or -1 of what is none."""

    def put(at: int) -> tuple[str, int]:
        bad = at % BAD_EVERY == BAD_EVERY - 1
        body = BAD[at // BAD_EVERY % len(BAD)] if bad else photos[at % len(photos)]
        key = f"archive/{at % 97:02}/photo {at:06}.jpg"
        s3.put_object(Bucket=bucket, Key=key, Body=body)
        return key, -1 if bad else at % len(photos)

    with ThreadPoolExecutor(8) as pool:
        return dict(pool.map(put, range(images)))


def _enlarged(path: Path) -> bytes:
    with Image.open(path) as opened:
        photo = opened.convert("RGB")
    scale = SHORT_SIDE / min(photo.size)
    photo = photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.BICUBIC)
    sink = io.BytesIO()
    photo.save(sink, "JPEG", quality=QUALITY)
    return sink.getvalue()


def mean_kb(photos: Sequence[bytes]) -> float:
    """Of a photo."""
    return sum(map(len, photos)) / len(photos) / 1000


def rows_of(dynamodb: Any, table: str) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - a DynamoDB client
    """Every row of the table."""
    for page in dynamodb.get_paginator("scan").paginate(TableName=table):
        yield from page["Items"]
