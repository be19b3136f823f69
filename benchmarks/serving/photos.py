"""The photos that are sent, and the bodies that carry them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
AT_MOST = 64  # in rotation
BOUNDARY = "photo-4cf1a9"


def read_photos(folder: Path) -> list[bytes]:
    """The first photos of a folder, by name; raises ValueError if there is none."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)[:AT_MOST]
    if not paths:
        raise ValueError(f"{folder} holds no photo. Name a folder with JPEGs.")
    return [path.read_bytes() for path in paths]


def bundle(photos: Sequence[bytes]) -> bytes:
    """Many images as one body: a tar."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as tar:
        for number, photo in enumerate(photos):
            entry = tarfile.TarInfo(str(number))
            entry.size = len(photo)
            tar.addfile(entry, io.BytesIO(photo))
    return body.getvalue()


def form(photo: bytes, field: str) -> bytes:
    """One image as a form of one file, for `FORM_TYPE`."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="0.jpg"\r\nContent-Type: image/jpeg'
    )
    return f"{head}\r\n\r\n".encode() + photo + f"\r\n--{BOUNDARY}--\r\n".encode()


FORM_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def labels(body: bytes) -> list[str | None]:
    """The best class of each image in an answer, in any of the servers' formats; None for an image without one.

    Podium's `{"predictions": [{"label", ...}]}` (or a list of these, or many under `answers`), and TorchServe's
    `{label: probability}`.
    """
    document: Any = json.loads(body)
    entries = document if isinstance(document, list) else document.get("answers", [document])
    return [_best_label(entry) for entry in entries]


def _best_label(entry: dict[str, Any]) -> str | None:
    if "predictions" in entry:
        return str(entry["predictions"][0]["label"])
    if any(not isinstance(value, float) for value in entry.values()):
        return None
    return max(entry, key=lambda label: float(entry[label]), default=None)
