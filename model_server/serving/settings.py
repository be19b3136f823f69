"""The section `handler` of model-config.yaml: how this archive is served."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal, get_args

from inference.archive.errors import ModelRefused
from inference.engines.choice import EngineName
from inference.images.reading import MAX_PIXELS


@dataclass(frozen=True)
class HandlerSettings:
    """Every setting has a default that suits one worker for each core, and few images at once."""

    engine: EngineName = "auto"
    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"  # the fastest that the archive holds
    threads: int | Literal["auto"] = "auto"  # of one inference; see `threads_for`
    readers: int | Literal["auto"] = "auto"  # images decoded at once; see `readers_for`
    images_at_once: int = 32  # classified together; while they are, the next ones are read
    image_seconds: float = 10.0  # of a processor, to read one image
    max_pixels: int = MAX_PIXELS  # of one image


CHOICES = {"engine": get_args(EngineName), "precision": ("auto", "fp32", "bf16", "int8")}
COUNTED = ("threads", "readers")  # a number, or auto


def read_settings(section: object) -> HandlerSettings:
    """The settings that `section` changes. Raises ModelRefused for an unknown setting or a wrong value."""
    given = section if isinstance(section, Mapping) else {}
    known = [field.name for field in fields(HandlerSettings)]
    for name, value in given.items():
        if name not in known:
            raise ModelRefused(f"model-config.yaml: handler: {name} is not known. Known are {', '.join(known)}.")
        if name in CHOICES and value not in CHOICES[name]:
            raise ModelRefused(
                f"model-config.yaml: handler: {name} is {value!r}, expected one of {', '.join(CHOICES[name])}."
            )
        if name in COUNTED and value == "auto":
            continue
        kind = float | int if name == "image_seconds" else int
        if name not in CHOICES and (isinstance(value, bool) or not isinstance(value, kind) or not value >= 1):
            raise ModelRefused(f"model-config.yaml: handler: {name} is {value!r}, expected 1 or more.")
    return HandlerSettings(**given)


def threads_for(settings: HandlerSettings, environment: Mapping[str, str] = os.environ) -> int:
    """The threads of one inference: OMP_NUM_THREADS, which the proxy sets for its workers; else one.

    Of a list, such as 4,1, the first number counts.
    """
    if settings.threads != "auto":
        return settings.threads
    threads = environment.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return max(1, int(threads)) if threads.isdecimal() else 1


def readers_for(settings: HandlerSettings, *, gpu: bool) -> int:
    """The images that a worker decodes at once: on a GPU half of the cores, because two workers share it; else one.

    Without a GPU there is a worker for each core, and its own forward pass waits for the pixels; or fewer, because each
    reader may take 1.2 GB.
    """
    if settings.readers != "auto":
        return settings.readers
    return max(1, len(os.sched_getaffinity(0)) // 2) if gpu else 1
