"""Prepare a training, new or resumed: network, settled settings, photos.

listing -> network -> check -> run folder -> settle -> photos
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count

import torch
from timm.utils.random import random_seed
from torch import nn

from training.data.listing import Listing
from training.errors import WrongInput
from training.fitting.fit import put_on
from training.model.model_file import Preprocessing
from training.model.network import preprocessing_of
from training.model.provenance import Pretrained, read_pretrained
from training.photos.photos import Photos, read_photos
from training.photos.set_aside import read_set_aside
from training.preparing.checking import check_settings, random_weights_note
from training.preparing.settle import settle
from training.preparing.trial import made
from training.processes import World
from training.run import TrainingProgress, claim_folder, write_beginning
from training.settings.config import TrainConfig
from training.settings.settled import Settled

OnProgress = Callable[[TrainingProgress], None]
OnNote = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """Everything that a training begins with, new or resumed."""

    settings: Settled
    network: nn.Module
    preprocessing: Preprocessing
    photos: Photos
    device: torch.device
    set_aside: int  # files that could not be read, also those of before an interruption


def prepare(
    config: TrainConfig, listing: Listing, device: torch.device, world: World, on_progress: OnProgress, on_note: OnNote
) -> Prepared:
    """A new training: its run folder is claimed, and holds everything that is settled before the first epoch.

    Raises WrongInput over settings that cannot work, photos that do not teach, and a folder that is not empty; settings
    that cannot work leave the folder free.
    """
    found: list[Pretrained] = []
    network, preprocessing = _network(config, listing, device, on_pretrained=found.append)
    check_settings(config, network, len(listing.classes))
    if world.leads:
        claim_folder(config.run)
        if note := random_weights_note(config):
            on_note(note)
    settings = settle(config, network, listing, device, world)
    for one in found:
        settings.reasons["pretrained"] = one.sentence
    cores = max(1, (os.cpu_count() or 1) - 1)  # torchrun leaves torch one thread, and the others wait meanwhile
    photos = _read(listing, settings, preprocessing, world, on_progress, threads=config.threads or cores)
    if world.leads:
        write_beginning(config, settings, photos, *found)
        for key, reason in settings.reasons.items():
            on_note(f"{key} = {getattr(settings, key)} ({reason})")
    return Prepared(settings, network, preprocessing, photos, device, len(photos.set_aside))


def reprepare(
    settings: Settled, listing: Listing, device: torch.device, world: World, on_progress: OnProgress, *, begun: bool
) -> Prepared:
    """A training that was interrupted; its settings are settled already.

    If it has `begun`, its checkpoint holds all weights, and the pretrained ones are not needed. Raises WrongInput if they
    are, and their file is no longer the same.
    """
    found: list[Pretrained] = []
    network, preprocessing = _network(
        settings, listing, device, pretrained="none" if begun else None, on_pretrained=found.append
    )
    earlier = read_pretrained(settings.run)
    if found and earlier is not None and found[0].sha256 != earlier.sha256:
        raise WrongInput(
            f"{settings.pretrained} was changed since {settings.run} began with it. Bring the old file back, or train into"
            " another folder."
        )
    photos = _read(listing, settings, preprocessing, world, on_progress, threads=settings.threads)
    set_aside = len(read_set_aside(settings.run)) + len(photos.set_aside)
    return Prepared(settings, network, preprocessing, photos, device, set_aside)


def _network(
    config: TrainConfig,
    listing: Listing,
    device: torch.device,
    *,
    pretrained: str | None = None,
    on_pretrained: Callable[[Pretrained], None],
) -> tuple[nn.Module, Preprocessing]:
    random_seed(config.seed)  # type: ignore[no-untyped-call]
    network = put_on(made(config, len(listing.classes), pretrained=pretrained, on_pretrained=on_pretrained), device)
    return network, preprocessing_of(network, config)


def _read(
    listing: Listing,
    settings: Settled,
    preprocessing: Preprocessing,
    world: World,
    on_progress: OnProgress,
    threads: int,
) -> Photos:
    """The leading process reads first, and leaves its cache to the others."""
    on_photo = _counter(sum(photo.split != "test" for photo in listing.photos), on_progress)
    return world.leader_first(partial(read_photos, listing, settings, preprocessing, on_photo, threads=threads))


def _counter(total: int, on_progress: OnProgress) -> Callable[[], None]:
    done = count(1)
    return lambda: on_progress(TrainingProgress("reading", next(done), total))
