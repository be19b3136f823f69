"""Read a listed photo, and check that its bytes are those that were listed."""

from __future__ import annotations

import hashlib

from training.data.records import Photo
from training.errors import TrainingError


class PhotoLost(TrainingError):
    """A photo is gone, or has other bytes than those that were listed.

    It ends the training and is not replaced: else the photos of a training would depend on the moment. A loader worker
    passes its error on as a traceback that ends in the sentence; only the sentence is kept.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message.strip().rpartition(f"{PhotoLost.__name__}: ")[2])


def bytes_of(photo: Photo) -> bytes:
    """The photo's bytes; PhotoLost names the photo if they are not those that were listed."""
    try:
        data = photo.path.read_bytes()
    except OSError as error:
        raise PhotoLost(
            f"{photo.path} could be read when the training began, and now cannot ({error.strerror}). {HELP}"
        ) from error
    if hashlib.sha256(data).hexdigest() != photo.sha256:
        raise PhotoLost(f"{photo.path} has changed since the training began. {HELP}")
    return data


HELP = "Bring it back and resume, or train again."
