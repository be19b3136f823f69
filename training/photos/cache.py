"""Decoded photos in one memory-mapped file, shared by loader workers, by processes of one machine, and by the next run.

photos -> decoded once, in parallel -> KEY.u8 (their bytes, one after the other) and KEY.json (their shapes, in the same order)
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import accumulate
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.images.reading import UnreadableImage
from training.data.records import Photo
from training.errors import TrainingError, refusal_at
from training.files import replacing
from training.photos.reading import bytes_of

VERSION = 1  # of what the files hold: a change in decoding or layout needs another
KEPT = 8  # caches in the folder: the one that was used the longest ago makes room
TOGETHER = 8  # photos of one task: tiny ones decode faster than tasks are handed over

Decode = Callable[[bytes], tuple[NDArray[np.uint8], float]]  # pixels, and width / height of the picture


@dataclass(frozen=True)
class Index:
    """The contents of a cache: the readable photos, in their order, and those that were set aside."""

    size_bytes: int
    shapes: list[list[int] | None]  # None: beyond the limit
    aspects: list[float]
    set_aside: list[tuple[int, str, str]]  # position among all photos, code, reason


class Cache:
    """The pixels of the photos that could be read. Copies in other processes map the same memory."""

    def __init__(self, path: Path, index: Index) -> None:
        self.path = path
        self.index = index
        self.offsets = [0, *accumulate(prod(shape) if shape else 0 for shape in index.shapes)]
        self.mapped: NDArray[np.uint8] | None = None
        self._map()

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"mapped": None}

    def pixels(self, position: int) -> NDArray[np.uint8] | None:
        """The pixels of one photo, in memory that is not to be written to; None if the limit left them out."""
        shape = self.index.shapes[position]
        if shape is None:
            return None
        return self._map()[self.offsets[position] : self.offsets[position + 1]].reshape(shape)

    def tensor(self) -> Tensor:
        """All photos, uint8 (N, *shape); all must have the same shape, and none may be left out."""
        shape = self.index.shapes[0] if self.index.shapes else [0]
        return torch.from_numpy(self._map()).view(len(self.index.shapes), *(shape or []))

    def _map(self) -> NDArray[np.uint8]:
        if self.mapped is None:
            empty = self.index.size_bytes == 0  # what no system maps
            # "c": a write by mistake would stay in this process
            self.mapped = np.empty(0, np.uint8) if empty else np.memmap(self.path, np.uint8, mode="c").view(np.ndarray)
        return self.mapped


def open_cache(
    photos: Sequence[Photo], decode: Decode, settings: object, *, folder: Path, limit_bytes: int | None = None,
    threads: int | None = None, on_photo: Callable[[], None] = lambda: None,
) -> Cache:  # fmt: skip
    """The cache of these photos, decoded by `decode`, which `settings` describe; built unless a sound one is there.

    Photos that `decode` cannot read are set aside. Pixels beyond `limit_bytes` are left out. `on_photo` is called once
    for each photo. Raises PhotoLost if a photo has changed since it was listed, TrainingError if the disk is full.
    """
    content = [VERSION, settings, limit_bytes, [photo.sha256 for photo in photos]]
    path = folder / f"{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]}.u8"
    if cache := _sound(path):
        for _ in photos:
            on_photo()
        return cache
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path.with_suffix(".json"), shared=True) as index:  # in its place after the pixels
            with replacing(path, shared=True) as draft, draft.open("wb") as file:
                found = _build(photos, decode, file, limit_bytes, threads, on_photo)
            index.write_text(json.dumps(asdict(found)), encoding="utf-8")
        _make_room(folder)
        return Cache(path, found)
    except OSError as error:
        what, action = refusal_at(folder, error)
        raise TrainingError(
            f"Decoded photos cannot be kept in {folder} ({what}). {action} Or name a folder on"
            " another disk, as cache_dir=/tmp/podium."
        ) from error


def _sound(path: Path) -> Cache | None:
    """The cache at `path`; None if it is missing, not whole, or no cache."""
    try:
        index = Index(**json.loads(path.with_suffix(".json").read_text(encoding="utf-8")))
        if path.stat().st_size != index.size_bytes:
            return None
        os.utime(path)
        return Cache(path, index)
    except (OSError, ValueError, TypeError):
        return None


def _build(
    photos: Sequence[Photo], decode: Decode, file: BinaryIO, limit_bytes: int | None, threads: int | None,
    on_photo: Callable[[], None],
) -> Index:  # fmt: skip
    index = Index(0, [], [], [])
    size_bytes = 0
    for position, result in enumerate(_decoded(photos, decode, threads)):
        on_photo()
        if isinstance(result, UnreadableImage):
            index.set_aside.append((position, result.code, result.reason))
            continue
        pixels, aspect = result
        fits = limit_bytes is None or size_bytes + pixels.nbytes <= limit_bytes
        if fits:
            file.write(np.ascontiguousarray(pixels).data)
            size_bytes += pixels.nbytes
        index.shapes.append(list(pixels.shape) if fits else None)
        index.aspects.append(aspect)
    return Index(size_bytes, index.shapes, index.aspects, index.set_aside)


def _decoded(
    photos: Sequence[Photo], decode: Decode, threads: int | None
) -> Iterator[tuple[NDArray[np.uint8], float] | UnreadableImage]:
    """In the order of the photos; while one part is written, the next ones are being decoded."""
    threads = threads or os.cpu_count() or 1
    waiting: deque[Future[list[tuple[NDArray[np.uint8], float] | UnreadableImage]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(photos), TOGETHER):
            part = photos[start : start + TOGETHER]
            waiting.append(pool.submit(lambda part: [_decode(decode, photo) for photo in part], part))
            if len(waiting) > 4 * threads:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _decode(decode: Decode, photo: Photo) -> tuple[NDArray[np.uint8], float] | UnreadableImage:
    try:
        return decode(bytes_of(photo))
    except UnreadableImage as error:
        return error


def _make_room(folder: Path) -> None:
    """Remove all but the last used; a training that has one open keeps it until it ends."""
    with contextlib.suppress(FileNotFoundError):  # another training does the same
        for path in sorted(folder.glob("*.u8"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
            path.with_suffix(".json").unlink(missing_ok=True)
            path.unlink(missing_ok=True)
