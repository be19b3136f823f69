"""The tar of a request of many images, read by others than who wrote it."""

from __future__ import annotations

import io
import tarfile

import pytest

from pipeline.model_server.tar import names_of, tar_of
from serving.bundle import is_bundle, read_bundle

SIZES_BYTES = (1, 511, 512, 513, 100_000)
IMAGES = [bytes([n + 1]) * size_bytes for n, size_bytes in enumerate(SIZES_BYTES)]


def test_the_model_server_reads_what_the_pipeline_writes() -> None:
    body = b"".join(tar_of(IMAGES))
    assert is_bundle(body)
    assert [(it.name, bytes(it.data)) for it in read_bundle(body)] == list(zip("01234", IMAGES, strict=True))


def test_any_tar_reads_it() -> None:
    with tarfile.open(fileobj=io.BytesIO(b"".join(tar_of(IMAGES)))) as tar:
        assert [(it.name, it.size) for it in tar] == list(zip("01234", SIZES_BYTES, strict=True))


@pytest.mark.parametrize("count", [2, 20, 64])
def test_as_many_names_as_images_and_no_two_alike(count: int) -> None:
    assert len(set(names_of(count))) == count


def test_the_images_bytes_are_not_copied() -> None:
    pieces = tar_of(IMAGES)
    assert [any(piece is image for piece in pieces) for image in IMAGES] == [True] * len(IMAGES)
