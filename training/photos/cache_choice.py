"""Choose where decoded photos wait: nowhere (files), in a memory-mapped file (memory), or on the device.

photos -> a sample, measured -> Facts -> CacheChoice
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil, inf
from pathlib import Path

import torch

from inference.images.reading import UnreadableImage, open_image
from training.augment.single import training_transform
from training.data.records import Photo
from training.errors import WrongInput
from training.photos.pixels import room_px, training_pixels
from training.photos.reading import bytes_of
from training.photos.seeding import seeded
from training.settings.config import TrainConfig
from training.settings.settled import CacheKind

SAMPLED = 64  # photos
MEASURED_S = 1.0  # after which the sample is cut short: large photos take long
TINY_PX = 64  # up to this side a CPU crops a batch at once faster than its photos one by one
AMPLE = 2  # times as fast as the model: loader workers keep up with it, also on a busy machine
SLIGHT = 0.02  # share of a step that decoding may take without loader workers


@dataclass(frozen=True)
class CacheChoice:
    """Where photos wait, and the reason: the measured speeds, and what helps if the model waits for photos."""

    kind: CacheKind
    reason: str
    photos_per_s: float = inf  # that one process or loader worker makes ready; inf: the device does it in its steps


@dataclass(frozen=True)
class Facts:
    """The measurements behind the choice; sizes in bytes, speeds in photos per second on one thread."""

    memory_bytes: int  # of all training photos as `memory` keeps them
    squared_bytes: int  # as `device` keeps them
    largest_px: int  # longest side of a photo
    decoded_per_s: float  # and cropped
    cropped_per_s: float  # from the cache
    free_memory: int
    free_disk: int
    free_gpu: int | None  # None: no GPU
    model_per_s: float | None  # what the model trains on, if it was timed
    workers: int  # of one process
    cores: int  # of the machine


def choose_cache(config: TrainConfig, facts: Facts) -> CacheChoice:
    """By `config.cache`; the facts decide what `auto` is.

    Only sizes decide about `device`, never measured speeds: it crops batches in another way, so that speeds would decide
    about the weights. `files` and `memory` give the same pixels. Raises WrongInput if `device` is set and cannot be.
    """
    kind, why = _chosen(config, facts)
    ready = inf
    if kind != "device":
        cached = _kept(config, facts) / max(1, facts.memory_bytes) if kind == "memory" else 0.0
        ready = 1 / (cached / facts.cropped_per_s + (1 - cached) / facts.decoded_per_s)
    parts = (why, _speeds(kind, facts), _advice(kind, config, facts, ready))
    return CacheChoice(kind, "; ".join(part for part in parts if part), ready)


def _chosen(config: TrainConfig, facts: Facts) -> tuple[CacheKind, str]:
    if config.cache == "device":
        return _device_as_set(facts)
    if config.cache != "auto":
        return config.cache, "as set"
    if reason := _why_device(config, facts):
        return "device", reason
    if facts.model_per_s is not None and _files_keep_up(facts, facts.model_per_s):
        return "files", "the model is slow enough to decode photos in every epoch"
    kept = _kept(config, facts)
    room = f"{_size(kept)} of {_size(facts.free_memory)} free"
    if kept > _room(facts):
        return "files", f"a cache would take {room}, with {_size(facts.free_disk)} on the disk"
    some = "" if kept == facts.memory_bytes else f", and cache_mb holds {kept / facts.memory_bytes:.0%} of the photos"
    return "memory", f"it takes {room}{some}"


def measure(
    photos: Sequence[Photo], config: TrainConfig, device: torch.device, *, workers: int, model_per_s: float | None
) -> Facts:
    """The facts, by a sample of up to 64 photos, spread over all; unreadable ones are left out of it."""
    readable = list(_readable(photos))
    with seeded(config.seed):
        images, decoding = _timed(lambda data: training_pixels(data, config), [data for data, _ in readable])
        _, cropping = _timed(training_transform(config), images)
    kept = sum(image.width * image.height * 3 for image in images) / max(1, len(images))
    largest = max((side for _, side in readable), default=0)
    return Facts(
        memory_bytes=round(kept * len(photos)),
        squared_bytes=len(photos) * 3 * square_px(config, largest) ** 2,
        largest_px=largest,
        decoded_per_s=1 / (decoding + cropping),
        cropped_per_s=1 / cropping,
        free_memory=free_memory(),
        free_disk=_free_disk(config.cache_dir),
        free_gpu=torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None,
        model_per_s=model_per_s,
        workers=workers,
        cores=os.cpu_count() or 1,
    )


def largest_px(photos: Sequence[Photo]) -> int:
    """The longest side of the photos in the same sample; 0 if none of them can be read."""
    return max((side for _, side in _readable(photos)), default=0)


def square_px(config: TrainConfig, largest_px: int) -> int:
    """The side of the squares for `device`: no more pixels than the photos have, or than crops need."""
    crops = config.min_scale < 1 or config.max_aspect > 1
    return min(room_px(config) if crops else config.crop_size, largest_px or config.crop_size)


def free_memory() -> int:
    """Bytes of memory that programs may still take; all of the machine's, if the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _why_device(config: TrainConfig, facts: Facts) -> str | None:
    if config.rand_augment is not None or facts.squared_bytes > facts.free_disk / 2:
        return None
    if facts.free_gpu is not None:
        why = f"all photos take {_size(facts.squared_bytes)} of {_size(facts.free_gpu)} free on the GPU"
        return why if facts.squared_bytes <= facts.free_gpu / 4 else None
    if 0 < facts.largest_px <= TINY_PX and facts.squared_bytes <= facts.free_memory / 4:
        return f"photos of at most {facts.largest_px} px are cropped faster a batch at a time"
    return None


def _files_keep_up(facts: Facts, model_per_s: float) -> bool:
    """Whether a cache would save next to nothing: decoding goes on beside the model, or hardly counts beside it."""
    if facts.workers:
        return facts.decoded_per_s * facts.workers >= AMPLE * model_per_s
    return (1 / facts.decoded_per_s - 1 / facts.cropped_per_s) * model_per_s <= SLIGHT


def _device_as_set(facts: Facts) -> tuple[CacheKind, str]:
    free = facts.free_memory if facts.free_gpu is None else facts.free_gpu
    if facts.squared_bytes > free:
        raise WrongInput(
            f"cache = device: all photos take {_size(facts.squared_bytes)}, and {_size(free)} are free. Use cache=memory."
        )
    return "device", f"as set; all photos take {_size(facts.squared_bytes)} of {_size(free)} free"


def _readable(photos: Sequence[Photo]) -> Iterator[tuple[bytes, int]]:
    """The readable photos of a sample spread over all: their bytes, and their longest side in pixels."""
    for photo in photos[:: max(1, len(photos) // SAMPLED)][:SAMPLED]:
        data = bytes_of(photo)
        with suppress(UnreadableImage):
            yield data, max(open_image(data).size)


def _timed[Given, Made](do: Callable[[Given], Made], inputs: Sequence[Given]) -> tuple[list[Made], float]:
    """The outputs, and the seconds that one takes; it stops after MEASURED_S, and leaves unreadable inputs out."""
    began, made, tried = time.perf_counter(), list[Made](), 0
    for given in inputs:
        tried += 1
        try:
            made.append(do(given))
        except UnreadableImage:
            continue
        if time.perf_counter() - began > MEASURED_S:
            break
    return made, max(1e-6, (time.perf_counter() - began) / max(1, tried))


def _free_disk(folder: Path) -> int:
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


def _speeds(kind: CacheKind, facts: Facts) -> str:
    """The speed of decoding and cropping against that of the model."""
    if kind == "device":
        made = f"decoding gives {facts.decoded_per_s:,.0f} photos/s, and is done once"
    else:
        workers = facts.workers
        each = "" if workers == 0 else " with the one worker" if workers == 1 else f" with each of {workers} workers"
        made = (
            f"decoding gives {facts.decoded_per_s:,.0f} photos/s, cropping from memory {facts.cropped_per_s:,.0f}{each}"
        )
    if facts.model_per_s is None:
        return f"{made}; the model was not timed"
    return f"{made}; the model trains on {facts.model_per_s:,.0f} photos/s"


def _advice(kind: CacheKind, config: TrainConfig, facts: Facts, ready_per_s: float) -> str | None:
    """A sentence about what helps, if photos are made ready more slowly than the timed model trains on them."""
    fed = ready_per_s * max(1, facts.workers)
    if facts.model_per_s is None or fed >= facts.model_per_s:
        return None
    ways = ["more workers"] if facts.workers < facts.cores - 1 else []
    if _why_device(config, facts):
        ways.append("cache=device")
    elif kind == "files":
        fits = _kept(config, facts) <= _room(facts)
        ways.append("cache=memory" if fits else f"cache=memory with cache_mb={_room(facts) / 1e6:.0f}")
    elif _kept(config, facts) < facts.memory_bytes <= _room(facts):
        ways.append(f"cache_mb={ceil(facts.memory_bytes / 1e6)}")
    if config.rand_augment is not None:
        ways.append("a smaller rand_augment")
    use = " or ".join([", ".join(ways[:-1]), ways[-1]] if len(ways) > 1 else ways)
    return f"the model waits, for it gets {fed:,.0f}: use {use or 'a machine with more cores'}"


def _kept(config: TrainConfig, facts: Facts) -> int:
    """Bytes of the photos that `memory` would keep."""
    return min(facts.memory_bytes, config.cache_mb * 1_000_000)


def _room(facts: Facts) -> float:
    """Bytes that a cache in memory may take of what is free."""
    return min(facts.free_memory, facts.free_disk) / 2


def _size(count: float) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"
