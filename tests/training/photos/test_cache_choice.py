"""The place of decoded photos, and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.training.data.making import config_of
from training.errors import WrongInput

if TYPE_CHECKING:
    from training.photos.cache_choice import CacheChoice, Facts

pytestmark = pytest.mark.torch

GB = 1_000_000_000


def facts(**changed: object) -> Facts:
    from training.photos.cache_choice import Facts

    ordinary = Facts(
        memory_bytes=1_300_000_000, squared_bytes=GB, largest_px=640, decoded_per_s=840, cropped_per_s=5100,
        free_memory=12 * GB, free_disk=100 * GB, free_gpu=None, model_per_s=None, workers=0, cores=8,
    )  # fmt: skip
    return replace(ordinary, **changed)  # type: ignore[arg-type]


def chosen(seen: Facts, **settings: object) -> CacheChoice:
    from training.photos.cache_choice import choose_cache

    workers = settings.pop("workers", seen.workers)
    return choose_cache(config_of("data", **settings), replace(seen, workers=workers))  # type: ignore[arg-type]


def test_photos_that_fit_in_memory_wait_there_and_the_reason_has_the_numbers() -> None:
    choice = chosen(facts())
    assert choice.kind == "memory"
    assert choice.reason == (
        "it takes 1.3 GB of 12.0 GB free; decoding gives 840 photos/s, cropping from memory 5,100; the model was not timed"
    )


def test_every_reason_says_what_decoding_gives_against_what_the_model_trains_on() -> None:
    timed = facts(model_per_s=420)
    assert chosen(timed, workers=1).reason == (
        "the model is slow enough to decode photos in every epoch; decoding gives 840 photos/s, cropping from memory 5,100"
        " with the one worker; the model trains on 420 photos/s"
    )
    for choice in (
        chosen(timed), chosen(timed, cache="files"), chosen(timed, cache="memory"), chosen(timed, cache="device"),
        chosen(facts(model_per_s=420, free_gpu=4 * GB)), chosen(facts(model_per_s=420, largest_px=64)),
        chosen(facts(model_per_s=420, free_disk=GB)),
    ):  # fmt: skip
        assert "decoding gives 840 photos/s" in choice.reason
        assert choice.reason.endswith("; the model trains on 420 photos/s")
    assert "decoding gives 840 photos/s, and is done once;" in chosen(facts(free_gpu=4 * GB)).reason


def test_a_model_that_was_not_timed_is_reported_as_such_and_nothing_is_advised() -> None:
    for kind in ("auto", "files", "memory", "device"):
        assert chosen(facts(decoded_per_s=1.0), cache=kind).reason.endswith("; the model was not timed")


@pytest.mark.parametrize(
    ("settings", "changed", "advice"),
    [
        ({"workers": 4}, {}, "it gets 20,400: use more workers"),
        ({"workers": 7}, {}, "it gets 35,700: use a machine with more cores"),
        ({"workers": 7, "rand_augment": "trivial"}, {}, "it gets 35,700: use a smaller rand_augment"),
        ({"workers": 4, "rand_augment": "trivial"}, {}, "it gets 20,400: use more workers or a smaller rand_augment"),
        ({"workers": 0}, {}, "it gets 5,100: use more workers"),
        ({"workers": 4, "cache": "files"}, {}, "it gets 3,360: use more workers or cache=memory"),
        ({"workers": 7, "cache": "memory"}, {"free_gpu": 4 * GB}, "it gets 35,700: use cache=device"),
        ({"workers": 4}, {"free_disk": GB}, "it gets 3,360: use more workers or cache=memory with cache_mb=500"),
        ({"workers": 7, "cache_mb": 650}, {}, "it gets 10,097: use cache_mb=1300"),
    ],
)
def test_if_the_model_waits_for_photos_the_reason_says_what_to_do(
    settings: dict[str, object], changed: dict[str, object], advice: str
) -> None:
    reason = chosen(facts(model_per_s=40_000, **changed), **settings).reason
    assert reason.endswith(f"; the model trains on 40,000 photos/s; the model waits, for {advice}")


def test_nothing_is_advised_if_workers_or_the_device_keep_up_with_the_model() -> None:
    assert "waits" not in chosen(facts(model_per_s=20_400), workers=4).reason
    assert "waits" in chosen(facts(model_per_s=20_401), workers=4).reason
    assert "waits" not in chosen(facts(model_per_s=1e6, free_gpu=4 * GB)).reason


def test_a_gpu_with_four_times_the_room_takes_them_all() -> None:
    assert chosen(facts(free_gpu=4 * GB)).kind == "device"
    assert "1.0 GB of 4.0 GB free on the GPU" in chosen(facts(free_gpu=4 * GB)).reason
    assert chosen(facts(free_gpu=4 * GB - 1)).kind == "memory"


def test_tiny_photos_are_cropped_in_batches_also_on_a_cpu() -> None:
    assert chosen(facts(largest_px=64)).kind == "device"
    assert chosen(facts(largest_px=65)).kind == "memory"
    assert chosen(facts(largest_px=64, squared_bytes=4 * GB)).kind == "memory"


def test_speeds_never_decide_about_the_device() -> None:
    """Batches are cropped in another way: a busy machine would else train to other weights."""
    for speed in (1.0, 1e9):
        assert chosen(facts(largest_px=32, decoded_per_s=speed, model_per_s=1.0)).kind == "device"
        assert chosen(facts(decoded_per_s=speed, model_per_s=1.0)).kind != "device"


def test_rand_augment_takes_one_photo_at_a_time() -> None:
    assert chosen(facts(free_gpu=100 * GB), rand_augment="rand-m9-mstd0.5").kind == "memory"


def test_files_do_if_loader_workers_keep_up_with_the_model() -> None:
    assert chosen(facts(model_per_s=420), workers=1).kind == "files"
    assert chosen(facts(model_per_s=421), workers=1).kind == "memory"
    assert chosen(facts(model_per_s=1680), workers=4).kind == "files"


def test_without_workers_decoding_stands_in_the_models_way_unless_it_hardly_counts() -> None:
    """840 photos/s beside a model of 60 would be a fourteenth of every step."""
    assert chosen(facts(model_per_s=60)).kind == "memory"
    assert chosen(facts(model_per_s=20)).kind == "files"


def test_files_do_if_there_is_no_room() -> None:
    assert chosen(facts(free_memory=2 * GB)).kind == "files"
    assert chosen(facts(free_disk=2 * GB)).kind == "files"


def test_a_limit_keeps_some_photos_in_memory() -> None:
    choice = chosen(facts(), cache_mb=650)
    assert choice.kind == "memory"
    assert choice.reason.startswith("it takes 650 MB of 12.0 GB free, and cache_mb holds 50% of the photos;")


def test_the_cache_that_is_set_is_taken_if_it_can_be() -> None:
    assert chosen(facts(largest_px=32), cache="files").kind == "files"
    assert chosen(facts(free_memory=1), cache="memory").kind == "memory"
    assert chosen(facts(), cache="device").kind == "device"
    with pytest.raises(WrongInput, match=r"all photos take 1\.0 GB, and 900 MB are free"):
        chosen(facts(free_gpu=900_000_000), cache="device")


@pytest.mark.parametrize(("largest_px", "side"), [(32, 32), (37, 37), (640, 37)])
def test_squares_have_no_more_pixels_than_the_photos_or_than_crops_need(largest_px: int, side: int) -> None:
    from training.photos.cache_choice import square_px

    assert square_px(config_of("data"), largest_px) == side
    assert square_px(config_of("data", min_scale=1.0, max_aspect=1.0), largest_px) == 32


def test_what_is_free_is_measured_even_if_the_cache_has_no_folder_yet(photos: Path, tmp_path: Path) -> None:
    import torch

    from training.data.listing import list_photos
    from training.photos.cache_choice import measure

    config = config_of(photos, cache_dir=tmp_path / "not" / "yet")
    listed = list_photos(config).photos
    seen = measure(listed, config, torch.device("cpu"), workers=0, model_per_s=None)
    assert (seen.largest_px, seen.squared_bytes, seen.free_gpu) == (48, 18 * 3 * 37 * 37, None)
    assert seen.memory_bytes == 18 * 3 * 37 * 44
    assert min(seen.free_memory, seen.free_disk, seen.decoded_per_s, seen.cropped_per_s) > 0


def test_the_choice_says_how_fast_one_worker_makes_photos_ready() -> None:
    assert chosen(facts(), cache="files").photos_per_s == pytest.approx(840)
    assert chosen(facts()).photos_per_s == pytest.approx(5100)
    assert chosen(facts(), cache_mb=650).photos_per_s == pytest.approx(2 / (1 / 840 + 1 / 5100))
    assert chosen(facts(largest_px=64)).photos_per_s == float("inf")
