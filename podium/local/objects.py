"""Objects that the embedded AWS had when it wrote its state last, and that are gone from the disk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from podium.local.front.objects import OBJECTS
from training.files import write_atomically

ENCODED = ".ministack-keys"  # a bucket's folder for keys that cannot be paths
SIDECAR = ".meta.json"  # beside an object's bytes, with its key and facts


class GoneObjects(NamedTuple):
    """Objects of a bucket that are gone, and how many it had."""

    bucket: str
    keys: Sequence[str]
    had: int

    def __str__(self) -> str:
        return f"{len(self.keys):,} of {self.had:,} in {self.bucket} (such as {self.keys[0]!r})"


def gone_objects(state: Path, buckets: Path) -> list[GoneObjects]:
    """What is gone from the buckets' folders, by bucket; nothing if no list was written, or it cannot be read."""
    listed = _listed(state)
    found = (GoneObjects(bucket, _missing(buckets / bucket, keys), len(keys)) for bucket, keys in listed.items())
    return [gone for gone in found if gone.keys]


def forget_gone(state: Path, gone: Sequence[GoneObjects]) -> None:
    """Take them from the list: they are missed no more."""
    missed = {it.bucket: set(it.keys) for it in gone}
    left = {
        bucket: [key for key in keys if key not in missed.get(bucket, ())] for bucket, keys in _listed(state).items()
    }
    write_atomically(json.dumps(left), state / OBJECTS, private=True)


def read_facts(path: Path) -> dict[str, Any]:
    """A sidecar; empty if it is gone or damaged: the object's bytes are what counts."""
    try:
        facts = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _listed(state: Path) -> Mapping[str, Sequence[str]]:
    return {bucket: keys for bucket, keys in read_facts(state / OBJECTS).items() if isinstance(keys, list)}


def _missing(bucket: Path, keys: Sequence[str]) -> Sequence[str]:
    missing = [key for key in keys if not (bucket / key).is_file()]
    if not missing:
        return missing
    encoded = {
        read_facts(path).get("key")
        for path in (bucket / ENCODED).glob(f"*{SIDECAR}")
        if path.with_name(path.name.removesuffix(SIDECAR)).is_file()
    }
    return [key for key in missing if key not in encoded]
