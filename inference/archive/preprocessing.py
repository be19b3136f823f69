"""Preprocessing that an archive may ask for: the one rule for a training's settings and for who reads archives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inference.archive.documents import is_number
from inference.archive.errors import short
from inference.images.pixels import EvalTransform

FIELDS = ("input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std")
LONGEST_SIDE = 1024  # pixels of the model's input: the longest that training makes, and timm has
LONGEST_RESIZED = 8192  # pixels of a picture's side before the middle is cut out, at 200 MB


def check_preprocessing(preprocessing: Mapping[str, Any]) -> None:
    """Raise ValueError, with a sentence, unless these arguments of `timm.data.create_transform` are ones we can follow."""
    for key in FIELDS:
        if key not in preprocessing:
            raise ValueError(f"no preprocessing.{key}")
    channels, *sides = _list(preprocessing, "input_size", least=1, most=LONGEST_SIDE)
    if channels != 3 or not all(isinstance(side, int) for side in sides):
        raise _wrong(preprocessing, "input_size", "3 channels, and whole numbers for height and width")
    border = preprocessing["crop_mode"] == "border"  # its margin has the colour of the mean
    _list(preprocessing, "mean", least=0 if border else -100, most=1 if border else 100)
    _list(preprocessing, "std", least=1e-4, most=100)
    if not is_number(preprocessing["crop_pct"], 0, LONGEST_SIDE):
        raise _wrong(preprocessing, "crop_pct", "a share of the picture, such as 0.9")
    for key in ("interpolation", "crop_mode"):
        if not isinstance(preprocessing[key], str):
            raise _wrong(preprocessing, key, "a word")
    transform = EvalTransform.of(preprocessing)
    if max(sides) / transform.crop_pct > LONGEST_RESIZED:
        raise _wrong(preprocessing, "crop_pct", f"one that resizes pictures to {LONGEST_RESIZED:,} pixels at most")


def _list(preprocessing: Mapping[str, Any], key: str, *, least: float, most: float) -> list[float]:
    values = preprocessing[key]
    if not isinstance(values, list | tuple) or len(values) != 3 or not all(is_number(it, least, most) for it in values):
        raise _wrong(preprocessing, key, f"three numbers from {least:g} to {most:g}")
    return list(values)


def _wrong(preprocessing: Mapping[str, Any], key: str, expected: str) -> ValueError:
    return ValueError(f"preprocessing.{key} is {short(preprocessing[key])}, expected {expected}")
