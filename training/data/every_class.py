"""Whether every class has photos to train on and to validate on; if not, why."""

from __future__ import annotations

import hashlib

from inference.archive.labels import check_labels
from training.data.audited import spelled
from training.data.records import Listing
from training.errors import WrongInput
from training.sentences import plural

OF_NOTHING = hashlib.sha256(b"").hexdigest()  # of an empty file


def check_every_class(listing: Listing) -> None:
    """WrongInput if a class has no photo to train on, or none to validate on, or a name that no archive may hold."""
    try:
        check_labels(listing.classes)
    except ValueError as error:
        raise WrongInput(f"In the data, {error} Rename it.") from error
    for split in ("train", "validation"):
        present = {photo.label for photo in listing.photos if photo.split == split}
        for label in range(len(listing.classes)):
            if label not in present:
                raise WrongInput(_why_without(listing, label, split))


def _why_without(listing: Listing, label: int, split: str) -> str:
    """Why a class has no photo in a split, and what to do: other classes have its photos, or it has one alone, or none."""
    name = listing.classes[label]
    photos = [photo for photo in listing.photos if photo.label == label and photo.sha256 != OF_NOTHING]
    mine = {photo.sha256: photo for photo in photos}
    twins = {photo.sha256: photo for photo in listing.photos if photo.label != label and photo.sha256 in mine}
    without = f"Class {name!r} has no photo for {split}"
    if twins and twins.keys() == mine.keys():
        sha256, twin = next(iter(twins.items()))
        return (
            f"{without}: each of its files is in another class, too, as {spelled(mine[sha256].relative)}, which is"
            f" {spelled(twin.relative)} of class {listing.classes[twin.label]!r}. A photo of two classes only trains. Leave"
            " each in its one class."
        )
    if len(mine) == 1:
        return (
            f"{without}: it has only {plural(len(photos), 'file')} of the same bytes. Add photos, or remove the class."
        )
    return f"Class {name!r} has no readable photo for {split}. Add photos, or remove the class."
