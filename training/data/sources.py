"""The address of the data, of any kind, becomes a folder or a manifest on this machine."""

from __future__ import annotations

from pathlib import Path

from training.data import s3, torchvision_sets
from training.data.manifest import is_manifest
from training.data.records import OnCount, uncounted

FETCHED = Path(".podium/data")  # downloads, kept for the next start


def find_data(data: str, *, on_count: OnCount = uncounted, fetched: Path = FETCHED) -> Path:
    """The folder or the manifest that `data` names, downloaded into `fetched` if it is not on this machine.

    A name of torchvision's, such as cifar10, is that data set even if a folder has the name; the folder is `./cifar10`.
    Raises WrongInput and TrainingError if a download fails; the reader checks whether a path exists.
    """
    if data.startswith(s3.SCHEME):
        return s3.fetch(data, fetched, on_count)
    if data in torchvision_sets.NAMES:
        return torchvision_sets.fetch(data, fetched, on_count)
    return Path(data)


def photos_folder(data: str, *, on_count: OnCount = uncounted, fetched: Path = FETCHED) -> Path:
    """The folder that the photos' relative paths are relative to."""
    found = find_data(data, on_count=on_count, fetched=fetched)
    return found.parent if is_manifest(found.name) and not found.is_dir() else found
