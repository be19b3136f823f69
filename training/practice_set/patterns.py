"""What balls are decorated with: lines, grain, dimples, seams, stamps. Points are (N, 3) on a solid's surface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from training.practice_set.solids import Array, dot, length_of

Colour = Sequence[float] | Array  # red, green, blue in 0 to 1
STAMP_PX = 48


@dataclass(frozen=True)
class Surface:
    """How a solid's surface looks, before light falls on it."""

    albedo: Array  # (N, 3)
    bump: Array | None = None  # (N, 3), added to the normals
    gloss: float = 0.2  # strength of the highlight, 0 to 1
    sharpness: float = 20  # exponent of the highlight (Blinn 1977)


def paint(count: int, colour: Colour) -> Array:
    """One colour everywhere: (count, 3)."""
    return np.tile(np.asarray(colour, np.float32), (count, 1))


def mix(albedo: Array, colour: Colour, amount: Array) -> Array:
    """`colour` over `albedo`, as much as `amount` (N,) in 0 to 1 says."""
    blend = amount[:, None]
    return albedo * (1 - blend) + np.asarray(colour, np.float32) * blend


def stroke(distance: Array, half_width: float, softness: float = 0.014) -> Array:
    """1 on a line (`distance` 0), 0 away from it, soft at its edge."""
    return np.clip((half_width - np.abs(distance)) / softness + 0.5, 0, 1)


def grain(points: Array, rng: np.random.Generator, *, frequency: float, waves: int = 7) -> Array:
    """Smooth noise of about -1 to 1: `waves` plane waves in random directions, about `frequency` radians a unit."""
    directions = rng.normal(size=(3, waves)) * frequency / np.sqrt(3)
    phases = rng.uniform(0, 2 * np.pi, waves)
    waved = np.sin(dot(points, directions.astype(np.float32)) + phases.astype(np.float32))
    return np.asarray(waved.sum(axis=1) * np.sqrt(2 / waves) * 0.6, np.float32)


def shaded(colour: Colour, rng: np.random.Generator, spread: float = 0.06) -> Array:
    """The colour, a little lighter or darker, as balls of one make are."""
    return np.clip(np.asarray(colour) * rng.uniform(1 - spread, 1 + spread, 3), 0, 1).astype(np.float32)


@lru_cache(maxsize=4)
def dimple_centres(count: int) -> Array:
    """Evenly spread points on the unit sphere (Fibonacci lattice): (count, 3)."""
    index = np.arange(count) + 0.5
    height = 1 - 2 * index / count
    angle = np.pi * (1 + 5**0.5) * index
    out = np.sqrt(1 - height**2)
    return np.stack([out * np.cos(angle), out * np.sin(angle), height], axis=1).astype(np.float32)


def dimples(points: Array, *, count: int, radius: float, depth: float) -> tuple[Array, Array]:
    """Bumps (N, 3) of hollows with that `radius`, and how deep in one each point lies (N,), 0 to 1."""
    centres = dimple_centres(count)
    seen = centres[centres @ points.mean(axis=0) > -0.2]
    nearness = dot(points, seen.T)
    nearest = nearness.argmax(axis=1)
    centre = seen[nearest]
    offset = points - centre * nearness[np.arange(len(points)), nearest][:, None]
    inward = np.clip(1 - np.linalg.norm(offset, axis=1) / radius, 0, 1)
    return offset * (-depth / radius * np.sqrt(inward))[:, None], inward


@lru_cache(maxsize=2)
def _seam(samples: int) -> Array:
    """The closed curve of a tennis ball or a baseball, as points of the unit sphere."""
    turn = np.linspace(0, 2 * np.pi, samples, endpoint=False)
    a, b = 0.72, 0.28
    curve = [a * np.cos(turn) + b * np.cos(3 * turn), a * np.sin(turn) - b * np.sin(3 * turn)]
    return np.stack([*curve, 2 * np.sqrt(a * b) * np.sin(2 * turn)], axis=1).astype(np.float32)


def seam(points: Array, samples: int = 112) -> tuple[Array, Array]:
    """Distance to the seam with its side as sign (N,), and the place along it in turns, 0 to 1 (N,)."""
    curve = _seam(samples)
    nearness = dot(points, curve.T)
    nearest = nearness.argmax(axis=1)
    ahead = np.roll(curve, -1, axis=0) - curve
    ahead = ahead / np.linalg.norm(ahead, axis=1, keepdims=True)
    offset = points - curve[nearest]
    along = (offset * ahead[nearest]).sum(axis=1)
    side = (offset * np.cross(curve, ahead)[nearest]).sum(axis=1)
    spacing = np.linalg.norm(curve[1] - curve[0])
    return side, np.asarray((nearest + along / spacing) / samples, np.float32)


def tangent(points: Array, centre: Colour, up: Colour = (0.0, 0.0, 1.0)) -> tuple[Array, Array]:
    """Flat coordinates (right, up) about `centre`; points on the far side lie far outside."""
    forward = np.asarray(centre, np.float32) / np.linalg.norm(centre)
    right = np.cross(np.asarray(up, np.float32), forward)
    right = right / np.linalg.norm(right)
    away = np.where(dot(points, forward) > 0, 0, 9).astype(np.float32)
    return dot(points, right) + away, dot(points, np.cross(forward, right)) + away


@lru_cache(maxsize=64)
def _stamp(text: str) -> Array:
    """Text in the middle of a square: (48, 48), 1 where there is ink."""
    picture = Image.new("L", (STAMP_PX, STAMP_PX))
    font = ImageFont.load_default(size=STAMP_PX * (0.8 if len(text) == 1 else 0.62 if len(text) == 2 else 0.3))
    ImageDraw.Draw(picture).text((STAMP_PX / 2, STAMP_PX / 2), text, fill=255, font=font, anchor="mm", stroke_width=1)
    return np.asarray(picture, np.float32) / 255


def stamp(right: Array, up: Array, text: str, size: float) -> Array:
    """Ink (N,), 0 to 1, of `text` printed over flat coordinates, in a square of half width `size`."""
    column = np.rint((right / size + 1) * (STAMP_PX / 2) - 0.5).astype(np.int32)
    row = np.rint((1 - up / size) * (STAMP_PX / 2) - 0.5).astype(np.int32)
    printed = (column >= 0) & (column < STAMP_PX) & (row >= 0) & (row < STAMP_PX)
    ink = np.zeros(len(right), np.float32)
    ink[printed] = _stamp(text)[row[printed], column[printed]]
    return ink


def star(right: Array, up: Array, radius: float) -> Array:
    """A five-pointed star about the middle of flat coordinates (N,)."""
    angle = np.arctan2(right, up)
    edge = radius * (0.42 + 0.58 * (1 - np.abs((angle * 5 / (2 * np.pi)) % 1 - 0.5) * 2) ** 1.6)
    inside: NDArray[np.bool_] = length_of(right, up) < edge
    return inside.astype(np.float32)
