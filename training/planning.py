"""A plan (`podium train --dry-run`): what a training would be. Photos are listed and the model is built; no photo is
decoded, no weights are downloaded, nothing stays written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from training.data.listing import list_photos
from training.model.network import choose_device
from training.model.provenance import Pretrained
from training.preparing.auto import numbers_of, threads_of
from training.preparing.checking import check_settings, create_undownloaded, random_weights_note
from training.run import check_free
from training.settings.config import TrainConfig


def plan(config: TrainConfig, notes: Sequence[str] = ()) -> dict[str, object]:
    """The plan of a training, for JSON; `cache` and epochs that `hours` choose take photos, and may still be `auto`.

    Its notes begin with `notes`. Raises WrongInput if the training would, over settings, data or run folder.
    """
    check_free(config.run)
    device = choose_device(config.device)
    found = list(notes)
    listing = list_photos(config, on_note=found.append)
    weights: list[Pretrained] = []
    network = create_undownloaded(config, len(listing.classes), on_pretrained=weights.append).to(device)
    found += [f"pretrained = {config.pretrained} ({one.sentence})" for one in weights]
    check_settings(config, network, len(listing.classes))
    photos, threads = len(listing.of("train")), threads_of(config)
    numbers = asdict(numbers_of(config, network, device, processes=1, photos=photos, threads=threads))
    reasons = numbers.pop("reasons")
    return {
        "data": config.data,
        "run": str(config.run),
        "classes": len(listing.classes),
        **{f"{split}_images": len(listing.of(split)) for split in ("train", "validation", "test")},
        "model": config.model,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "notes": [*found, *_notes(config)],
        "reasons": reasons,
        "settings": {**config.model_dump(mode="json"), **numbers},
    }


def _notes(config: TrainConfig) -> Iterator[str]:
    if note := random_weights_note(config):
        yield note
    if config.hours is not None:
        most = "" if config.epochs == "auto" else f", at most {config.epochs}"
        yield (
            f"hours = {config.hours:g} (a training measures its speed first, and chooses as many epochs as fit{most}; no"
            " photo was read, so none are chosen here)"
        )
