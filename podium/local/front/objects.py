"""The keys of all objects, kept beside the state: MiniStack's own holds the buckets only, and what is gone from the disk is missed by nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

OBJECTS = "objects.json"  # {bucket: [key, ...]}


def write_objects(folder: Path, account: str) -> None:
    """Write the keys that the account's buckets have now, at once or not at all; nothing while S3 is not loaded."""
    s3 = sys.modules.get("ministack.services.s3")
    if s3 is None:
        return
    keys = {
        bucket: sorted(facts["objects"]) for (owner, bucket), facts in s3._buckets._data.items() if owner == account
    }
    draft = folder / f"{OBJECTS}.tmp"
    draft.write_text(json.dumps(keys), encoding="utf-8")
    draft.replace(folder / OBJECTS)
