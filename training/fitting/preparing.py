"""What a training begins with: network, settings without `auto`, photos; the same for one that is resumed.

listing -> network -> check -> run folder -> resolve -> photos
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import torch
from timm.utils.random import random_seed
from torch import nn

from training.data.listing import Listing
from training.fitting.checking import check_settings, random_weights_note
from training.fitting.fit import put_on
from training.model.model_file import Preprocessing
from training.model.network import create_network, preprocessing_of
from training.photos.photos import Photos, read_photos
from training.photos.set_aside import read_set_aside
from training.processes import World
from training.run import Progress, claim_folder, write_beginning
from training.settings.auto import resolve, train_speed
from training.settings.budget import images_per_s, within_hours
from training.settings.config import TrainConfig

OnProgress = Callable[[Progress], None]
OnNote = Callable[[str], None]
MANY_PHOTOS = 2000  # from here on it pays to time the model before choosing where photos wait


@dataclass(frozen=True)
class Prepared:
    """What a training begins with, new or resumed."""

    config: TrainConfig  # without `auto`
    network: nn.Module
    preprocessing: Preprocessing
    photos: Photos
    device: torch.device
    set_aside: int  # files that could not be read, also those of before an interruption


def prepare(
    config: TrainConfig, listing: Listing, device: torch.device, world: World, on_progress: OnProgress, on_note: OnNote
) -> Prepared:
    """A new training: its run folder is claimed, and everything that is settled before the first epoch lies in it.

    Raises WrongInput over settings that cannot be, photos that do not teach, and a folder that is not empty; the folder
    is claimed only by settings that can be.
    """
    network, preprocessing = _network(config, listing, device)
    check_settings(config, network)
    if world.leads:
        claim_folder(config.run)
        if note := random_weights_note(config):
            on_note(note)
    training, validating = len(listing.of("train")), len(listing.of("validation"))
    resolved = world.as_the_leader(
        resolve(config, network, device, processes=world.size, photos=training, threads=torch.get_num_threads())
    )
    reasons, settled = dict(resolved.reasons), resolved.config.model_copy(update={"device": str(device)})
    speed = None
    if config.hours is not None or device.type == "cuda" or (config.cache == "auto" and training > MANY_PHOTOS):
        speed = world.as_the_leader(train_speed(settled, network, device))
    decoding = max(1, (os.cpu_count() or 1) - 1) if config.threads is None else config.threads
    photos = _read(listing, settled, preprocessing, world, on_progress, speed, decoding)
    if config.hours is not None and speed is not None:
        together = world.as_the_leader(images_per_s(settled, speed, photos.cache.photos_per_s, world.size))
        settled, why = within_hours(settled, together, training, validating)
        reasons |= why
    reasons["cache"] = photos.cache.reason
    settled = settled.model_copy(update={"cache": photos.cache.kind})
    if world.leads:
        write_beginning(config.run, config, settled, reasons, photos)
        for key, reason in reasons.items():
            on_note(f"{key} = {getattr(settled, key)} ({reason})")
    return Prepared(settled, network, preprocessing, photos, device, len(photos.set_aside))


def reprepare(
    config: TrainConfig, listing: Listing, device: torch.device, world: World, on_progress: OnProgress
) -> Prepared:
    """The same for a training that was interrupted, by the settings that it had resolved; nothing is chosen anew."""
    network, preprocessing = _network(config, listing, device)
    photos = _read(listing, config, preprocessing, world, on_progress, None)
    set_aside = len(read_set_aside(config.run)) + len(photos.set_aside)
    return Prepared(config, network, preprocessing, photos, device, set_aside)


def _network(config: TrainConfig, listing: Listing, device: torch.device) -> tuple[nn.Module, Preprocessing]:
    random_seed(config.seed)  # type: ignore[no-untyped-call]
    network = put_on(create_network(config, len(listing.classes)), device)
    return network, preprocessing_of(network, config)


def _read(
    listing: Listing,
    config: TrainConfig,
    preprocessing: Preprocessing,
    world: World,
    on_progress: OnProgress,
    speed: float | None,
    threads: int | None = None,
) -> Photos:
    """The leading process reads first, and leaves its cache and its choice of a cache to the others."""
    count = _counter(sum(photo.split != "test" for photo in listing.photos), on_progress)
    if world.leads:
        photos = read_photos(listing, config, preprocessing, count, model_images_per_s=speed, threads=threads)
        world.as_the_leader(photos.cache.kind)
        return photos
    kind = world.as_the_leader("")
    return read_photos(listing, config.model_copy(update={"cache": kind}), preprocessing, count, threads=threads)


def _counter(total: int, on_progress: OnProgress) -> Callable[[], None]:
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        on_progress(Progress("reading", done, total))

    return count
