"""Decoded photos in one file that is built once."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from training.data.records import Photo
from training.errors import TrainingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.photos.cache import Cache

pytestmark = pytest.mark.torch


def write(folder: Path, name: str, width: int, height: int) -> Photo:
    pixels = np.random.default_rng(len(name)).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return photo_of(folder / name, buffer.getvalue())


def photo_of(path: Path, data: bytes) -> Photo:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return Photo(path, path.name, 0, hashlib.sha256(data).hexdigest(), "train")


class Decoder:
    """Decodes, and counts how often."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, data: bytes) -> tuple[NDArray[np.uint8], float]:
        from inference.images.reading import read_image

        self.count += 1
        pixels = np.asarray(read_image(data))
        return pixels, pixels.shape[1] / pixels.shape[0]


@pytest.fixture
def three(tmp_path: Path) -> list[Photo]:
    sizes = {"a.png": (4, 3), "bb.png": (5, 5), "ccc.png": (2, 6)}
    return [write(tmp_path / "photos", name, *size) for name, size in sizes.items()]


def opened(photos: list[Photo], folder: Path, decode: Decoder, *, limit_bytes: int | None = None) -> Cache:
    from training.photos.cache import open_cache

    return open_cache(photos, decode, {"any": 1}, folder=folder, limit_bytes=limit_bytes, threads=2)


def kept(cache: Cache, position: int) -> NDArray[np.uint8]:
    pixels = cache.pixels(position)
    assert pixels is not None
    return pixels


def test_the_cache_holds_what_was_decoded_in_the_order_of_the_photos(three: list[Photo], tmp_path: Path) -> None:
    cache = opened(three, tmp_path / "cache", Decoder())
    for position, photo in enumerate(three):
        assert np.array_equal(kept(cache, position), np.asarray(Image.open(photo.path)))
    assert cache.index.aspects == [4 / 3, 1, 1 / 3]
    assert cache.path.stat().st_size == 3 * (12 + 25 + 12)


def test_the_next_start_decodes_nothing_and_other_photos_or_settings_do(three: list[Photo], tmp_path: Path) -> None:
    from training.photos.cache import open_cache

    decode, counted = Decoder(), []
    opened(three, tmp_path / "cache", decode)
    again = open_cache(
        three, decode, {"any": 1}, folder=tmp_path / "cache", on_photo=lambda: counted.append(1), threads=2
    )
    assert (decode.count, len(counted)) == (3, 3)
    assert again.pixels(2) is not None
    opened(three[:2], tmp_path / "cache", decode)
    assert decode.count == 5
    open_cache(three, decode, {"any": 2}, folder=tmp_path / "cache")
    assert decode.count == 8


def test_a_cache_that_is_not_whole_is_built_anew(three: list[Photo], tmp_path: Path) -> None:
    decode = Decoder()
    path = opened(three, tmp_path / "cache", decode).path
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    opened(three, tmp_path / "cache", decode)
    assert (decode.count, path.read_bytes()) == (6, whole)
    path.with_suffix(".json").write_text(json.dumps({"size_bytes": len(whole)}))
    opened(three, tmp_path / "cache", decode)
    path.with_suffix(".json").unlink()
    opened(three, tmp_path / "cache", decode)
    assert decode.count == 12


def test_pixels_beyond_the_limit_are_left_out(three: list[Photo], tmp_path: Path) -> None:
    cache = opened(three, tmp_path / "cache", Decoder(), limit_bytes=80)
    assert [cache.pixels(position) is None for position in range(3)] == [False, True, False]
    assert np.array_equal(kept(cache, 2), np.asarray(Image.open(three[2].path)))
    nothing = opened(three, tmp_path / "cache", Decoder(), limit_bytes=0)
    assert [nothing.pixels(position) for position in range(3)] == [None] * 3


def test_what_cannot_be_read_is_set_aside_and_remembered(three: list[Photo], tmp_path: Path) -> None:
    broken = photo_of(tmp_path / "photos" / "broken.jpg", b"\xff\xd8\xff\xe0 cut short")
    photos = [three[0], broken, *three[1:]]
    for _ in range(2):
        cache = opened(photos, tmp_path / "cache", Decoder())
        assert [(position, code) for position, code, _ in cache.index.set_aside] == [(1, "unreadable")]
        assert np.array_equal(kept(cache, 1), np.asarray(Image.open(three[1].path)))


def test_a_photo_that_changes_while_the_cache_is_built_ends_it_and_leaves_nothing(
    three: list[Photo], tmp_path: Path
) -> None:
    three[1].path.write_bytes(b"other")
    with pytest.raises(TrainingError, match=r"bb\.png has changed since"):
        opened(three, tmp_path / "cache", Decoder())
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_copy_in_another_process_maps_the_file_instead_of_carrying_it(three: list[Photo], tmp_path: Path) -> None:
    cache = opened(three, tmp_path / "cache", Decoder())
    packed = pickle.dumps(cache)
    assert b"memmap" not in packed
    assert np.array_equal(kept(pickle.loads(packed), 0), kept(cache, 0))


def test_pixels_that_a_process_writes_to_by_mistake_stay_its_own(three: list[Photo], tmp_path: Path) -> None:
    cache = opened(three, tmp_path / "cache", Decoder())
    before = cache.path.read_bytes()
    kept(cache, 0)[:] = 0
    assert cache.path.read_bytes() == before


def test_old_caches_make_room_for_new_ones(three: list[Photo], tmp_path: Path) -> None:
    import os

    from training.photos.cache import KEPT, open_cache

    for number in range(KEPT + 2):
        path = open_cache(three, Decoder(), {"any": number}, folder=tmp_path / "cache").path
        os.utime(path, (number, number))
    open_cache(three, Decoder(), {"any": -1}, folder=tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2 * KEPT


def test_a_cache_that_cannot_be_written_ends_in_a_sentence(three: list[Photo], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    with pytest.raises(TrainingError, match=r"Decoded photos cannot be kept in .* as cache_dir="):
        opened(three, tmp_path / "cache", Decoder())
