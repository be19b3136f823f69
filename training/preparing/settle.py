"""From the settings that a person gave to those that a training runs with, in one walk.

device and network -> numbers (auto) -> speed of the model (measuring) -> where photos wait (cache_choice)
-> epochs (budget) -> Settled
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

import torch
from torch import nn

from training.data.records import Listing
from training.photos.cache_choice import choose_cache, measure
from training.preparing.auto import numbers_of
from training.preparing.budget import images_per_s, within_hours
from training.preparing.measuring import train_speed
from training.processes import World
from training.settings.config import TrainConfig, checked
from training.settings.settled import Settled

MANY_PHOTOS = 2000  # from here on it pays to time the model before choosing where photos wait


def settle(config: TrainConfig, network: nn.Module, listing: Listing, device: torch.device, world: World) -> Settled:
    """The settings without `auto`, the same in every process; `network` lies on the device.

    A sample of the photos is decoded, and the model is timed if a choice needs its speed. Raises WrongInput if the
    photos cannot wait where `cache` says.
    """
    training, validation = listing.of("train"), listing.of("validation")
    numbers = world.as_the_leader(
        numbers_of(config, network, device, processes=world.size, photos=len(training), threads=torch.get_num_threads())
    )
    speed = None
    if config.hours is not None or device.type == "cuda" or (config.cache == "auto" and len(training) > MANY_PHOTOS):
        speed = world.as_the_leader(
            train_speed(network, numbers.batch_size, config.crop_size, numbers.precision, device)
        )
    seen = world.by_the_leader(partial(measure, training, config, device, workers=numbers.workers, model_per_s=speed))
    cache = choose_cache(config, seen)
    counted: dict[str, float] = {"epochs": config.planned_epochs}
    reasons = {**numbers.reasons, **({"epochs": "auto: hours is not set"} if config.epochs == "auto" else {})}
    if config.hours is not None and speed is not None:
        fed = images_per_s(speed, cache.photos_per_s, workers=numbers.workers, processes=world.size)
        counted, why = within_hours(config, config.hours, fed, len(training), len(validation))
        reasons |= why
    reasons["cache"] = cache.reason
    return checked(
        Settled, {**config.model_dump(), **asdict(numbers), **counted, "cache": cache.kind, "reasons": reasons}
    )
