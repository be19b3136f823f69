"""What a training sees of the photos."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.training.conftest import tiny_settled, write_photos
from training.errors import TrainingError, WrongInput

if TYPE_CHECKING:
    from training.photos.photos import Photos

pytestmark = pytest.mark.torch


def read(data: Path, folder: Path, **changed: object) -> Photos:
    from training.data.listing import list_photos
    from training.model.model_file import Preprocessing
    from training.photos.photos import read_photos

    settings = tiny_settled(data, folder / "run", **{"cache_dir": folder, **changed})
    facts = Preprocessing(
        input_size=(3, 32, 32), interpolation="bicubic", crop_pct=1.0, crop_mode="center", mean=(0, 0, 0), std=(1, 1, 1)
    )
    return read_photos(list_photos(settings), settings, facts, lambda: None)


def test_the_seed_alone_decides_about_a_crop(photos: Path, tmp_path: Path) -> None:
    import torch

    training = read(photos, tmp_path, rand_augment="rand-m9-mstd0.5", brightness=0.4).training
    first, label = training[3, 7, 1]
    training[4, 8, 1]
    torch.rand(5)
    assert torch.equal(training[3, 7, 1][0], first)
    assert not torch.equal(training[3, 8, 1][0], first)
    assert (first.shape, first.dtype, label) == ((3, 32, 32), torch.uint8, int(training.labels[3]))


def test_the_last_epochs_see_photos_that_are_cropped_and_nothing_else(photos: Path, tmp_path: Path) -> None:
    import torch

    settings: dict[str, object] = {"rotation": 40, "rand_augment": "rand-m9-mstd0.5", "brightness": 0.4, "epochs": 5}
    ending = read(photos, tmp_path, augment_off_epochs=2, **settings).training
    always, never = read(photos, tmp_path, **settings).training, read(photos, tmp_path).training
    for epoch, as_in in ((1, always), (3, always), (4, never), (5, never)):
        assert torch.equal(ending[3, 7, epoch][0], as_in[3, 7, epoch][0])
    assert not torch.equal(ending[3, 7, 3][0], ending[3, 7, 4][0])


def test_a_crop_leaves_the_generator_that_the_model_draws_from_as_it_was(photos: Path, tmp_path: Path) -> None:
    import torch

    training = read(photos, tmp_path).training
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    training[0, 5, 1]
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_gives_the_same_crops(photos: Path, tmp_path: Path, workers: int) -> None:
    import torch
    from torch.utils.data import DataLoader

    training = read(photos, tmp_path).training
    keys = [(index, 100 + index, 1) for index in range(len(training))]
    alone = DataLoader(training, batch_size=4, sampler=keys)
    shared = DataLoader(training, batch_size=4, sampler=keys, num_workers=workers)
    for (one, labels), (other, same) in zip(alone, shared, strict=True):
        assert torch.equal(one, other)
        assert torch.equal(labels, same)


def test_every_kind_of_cache_gives_the_same_crops(tmp_path: Path) -> None:
    import torch

    data = write_photos(tmp_path / "data", size_px=90)
    kinds = [
        read(data, tmp_path / "cache", **settings).training
        for settings in ({}, {"cache": "files"}, {"cache_mb": 0}, {"cache": "device"})
    ]
    for index in range(len(kinds[0])):
        crops = [training[index, index, 1][0] for training in kinds]
        assert all(torch.equal(crop, crops[0]) for crop in crops)


def test_validation_photos_are_what_the_server_would_look_at(photos: Path, tmp_path: Path) -> None:
    import torch

    from training.model.model_file import Preprocessing
    from training.photos.pixels import evaluation_pixels

    seen = read(photos, tmp_path)
    facts = Preprocessing(
        input_size=(3, 32, 32), interpolation="bicubic", crop_pct=1.0, crop_mode="center", mean=(0, 0, 0), std=(1, 1, 1)
    )
    for pixels, photo in zip(seen.validation, seen.listing.of("validation"), strict=True):
        assert torch.equal(pixels, evaluation_pixels(photo.path.read_bytes(), facts))
    assert seen.validation_labels.tolist() == [photo.label for photo in seen.listing.of("validation")]


def test_squares_are_whole_photos_squashed_with_their_aspects_beside_them(photos: Path, tmp_path: Path) -> None:
    import numpy as np
    import torch
    from PIL import Image

    for kind in ("device", "memory"):
        training = read(photos, tmp_path, cache=kind).training
        squared = training.squared(training.square_px)
        assert (training.square_px, squared.shape, squared.dtype) == (37, (len(training), 3, 37, 37), torch.uint8)
        assert training.aspects().dtype == torch.float32
        assert training.aspects() == pytest.approx(torch.full((len(training),), 48 / 40), abs=0.02)
        whole = Image.open(training.photos[2].path).resize((37, 37), Image.Resampling.BICUBIC)
        assert torch.equal(squared[2], torch.from_numpy(np.asarray(whole).copy()).permute(2, 0, 1))


def test_nothing_is_upscaled_that_is_smaller_than_a_crop(tmp_path: Path) -> None:
    data = write_photos(tmp_path / "data", size_px=16)
    training = read(data, tmp_path / "cache", cache="device", image_size=224).training
    assert training.square_px == 24  # 16 x 24 pixels each
    stored = read(data, tmp_path / "cache", image_size=224)
    assert sum(path.stat().st_size for path in (tmp_path / "cache").glob("*.u8")) >= 12 * 16 * 24 * 3
    assert stored.training[0, 0, 1][0].shape == (3, 224, 224)


def test_unreadable_files_are_set_aside_and_keep_their_neighbours_in_place(tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    data = write_photos(tmp_path / "data")
    (data / "amber" / "0000-broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut short")
    (data / "jade" / "notes.txt").write_text("no picture")
    (data / "slate" / "empty.png").write_bytes(b"")
    for cache in ("memory", "device", "files"):
        seen = read(data, tmp_path / "cache", cache=cache, image_size=64)
        assert {entry.path for entry in seen.set_aside} == {
            "amber/0000-broken.jpg", "jade/notes.txt", "slate/empty.png",
        }  # fmt: skip
        assert len(seen.listing.photos) == 18 == len(seen.training) + len(seen.validation)
        squared = seen.training.squared(48)
        for pixels, photo in zip(squared, seen.listing.of("train"), strict=True):
            assert (pixels[:, ::47, ::47].float().mean() - np.asarray(Image.open(photo.path)).mean()).abs() < 30


def test_a_test_photo_is_never_decoded(tmp_path: Path) -> None:
    data = write_photos(tmp_path / "train")
    (write_photos(tmp_path / "test", per_class=1) / "jade" / "000.png").write_bytes(b"no picture")
    seen = read(data.parent, tmp_path / "cache")
    assert not seen.set_aside
    assert len(seen.listing.of("test")) == 3


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(("happens", "sentence"), [("gone", "now cannot"), ("other", "has changed since")])
def test_a_photo_that_goes_or_changes_in_mid_training_ends_it_in_a_sentence_that_names_it(
    tmp_path: Path, workers: int, happens: str, sentence: str
) -> None:
    from torch.utils.data import DataLoader

    data = write_photos(tmp_path / "data")
    training = read(data, tmp_path / "cache", cache="files").training
    path = training.photos[1].path
    path.unlink() if happens == "gone" else path.write_bytes(b"other")
    with pytest.raises(TrainingError, match=sentence) as raised:
        list(DataLoader(training, batch_size=2, sampler=[(0, 1, 1), (1, 1, 1)], num_workers=workers))
    assert str(raised.value).startswith(str(path))
    assert "Traceback" not in str(raised.value)


def test_a_class_without_a_readable_photo_is_refused(tmp_path: Path) -> None:
    data = write_photos(tmp_path / "data")
    for path in (data / "jade").iterdir():
        path.write_bytes(path.name.encode())
    with pytest.raises(WrongInput, match="'jade' has no readable photo"):
        read(data, tmp_path / "cache")


def test_every_photo_is_counted_once_whether_it_is_decoded_or_cached(photos: Path, tmp_path: Path) -> None:
    from training.data.listing import list_photos
    from training.model.model_file import Preprocessing
    from training.photos.photos import read_photos

    settings = tiny_settled(photos, tmp_path / "run", test_share=0.2, cache_dir=tmp_path)
    listing = list_photos(settings)
    facts = Preprocessing(
        input_size=(3, 32, 32), interpolation="bicubic", crop_pct=1.0, crop_mode="center", mean=(0, 0, 0), std=(1, 1, 1)
    )
    for _ in range(2):
        counted: list[int] = []
        read_photos(listing, settings, facts, partial(counted.append, 1))
        assert len(counted) == len(listing.of("train")) + len(listing.of("validation")) == 15
