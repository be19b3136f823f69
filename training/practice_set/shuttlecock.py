"""A shuttlecock: a cork, and sixteen feathers drawn from the farthest to the nearest."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from training.practice_set.light import Light, over, shade
from training.practice_set.patterns import Surface, mix, paint, shaded, stroke
from training.practice_set.solids import Array, Hit, length_of, random_rotation, tilted_rotation, traced

FEATHERS = 16
CORK_TIP, CORK_END, CORK_RADIUS = -0.94, -0.52, 0.27
SKIRT_RADIUS = 0.58
TIP = 0.88
THREADS = (-0.22, -0.04)  # where along the axis the two threads bind the quills


def shuttlecock(size_px: int, rng: np.random.Generator, light: Light) -> Array:
    """A layer (S, S, 4); the cork points along the object's -x."""
    rotation = tilted_rotation(rng, tilt=0.95) if rng.random() < 0.9 else random_rotation(rng)
    hit = traced(size_px, rotation, _cork_distance)
    cork = shade(hit, _cork(hit, rng), rotation, light)
    feathers = _feathers(size_px, rotation, light, rng)
    cork_is_near = rotation[2, 0] < 0
    return over(feathers, cork) if cork_is_near else over(cork, feathers)


def _cork_distance(points: Array) -> Array:
    out = length_of(points[:, 1], points[:, 2])
    middle = CORK_TIP + CORK_RADIUS
    dome = length_of(points[:, 0] - middle, out) - CORK_RADIUS
    barrel = np.maximum(out - CORK_RADIUS, points[:, 0] - CORK_END)
    return np.where(points[:, 0] < middle, dome, barrel)


def _cork(hit: Hit, rng: np.random.Generator) -> Surface:
    band = [(0.10, 0.35, 0.20), (0.75, 0.10, 0.10), (0.12, 0.20, 0.55)][rng.integers(3)]
    albedo = paint(len(hit.points), shaded((0.94, 0.92, 0.87), rng, 0.03))
    return Surface(mix(albedo, band, stroke(hit.points[:, 0] - CORK_END + 0.08, 0.055)), gloss=0.25)


def _feathers(size_px: int, rotation: Array, light: Light, rng: np.random.Generator) -> Array:
    picture = Image.new("RGBA", (size_px, size_px), (235, 235, 230, 0))
    draw = ImageDraw.Draw(picture)
    plastic = shaded((0.98, 0.94, 0.45) if rng.random() < 0.15 else (0.96, 0.96, 0.94), rng, 0.03)
    turns = np.arange(FEATHERS) * (2 * np.pi / FEATHERS)
    outward = np.stack([np.zeros(FEATHERS), np.cos(turns), np.sin(turns)], axis=1) @ rotation.T
    for index in np.argsort(outward[:, 2]):
        lit = float(np.clip(abs(outward[index] @ light.towards), 0, 1))
        inner = 0.80 if outward[index, 2] < 0 else 1.0  # the far side shows the skirt's shaded inside
        shown = plastic * (light.ambient + light.colour * (0.35 + 0.55 * lit)) * inner
        _feather(draw, size_px, rotation, float(turns[index]), np.clip(shown, 0, 1))
    return np.asarray(picture, np.float32) / 255


def _feather(draw: ImageDraw.ImageDraw, size_px: int, rotation: Array, turn: float, colour: Array) -> None:
    half = np.pi / FEATHERS * 1.12
    vane = [(0.02, -0.5), (0.30, -1.0), (0.74, -1.0), (0.86, -0.55), (TIP, 0.0), (0.84, 0.6), (0.70, 1.0), (0.30, 0.9)]
    outline = [_place(along, turn + side * half, rotation, size_px) for along, side in [*vane, (0.02, 0.5)]]
    edge = tuple(int(255 * value) for value in colour * 0.70)
    draw.polygon(outline, fill=tuple(int(255 * value) for value in colour), outline=edge)
    thin = max(1, size_px // 110)
    quill = [_place(along, turn, rotation, size_px) for along in (CORK_END - 0.02, TIP - 0.06)]
    draw.line(quill, fill=edge, width=thin)
    for along in THREADS:
        ends = [_place(along, turn + side * np.pi / FEATHERS, rotation, size_px) for side in (-1, 1)]
        draw.line(ends, fill=edge, width=thin)


def _place(along: float, turn: float, rotation: Array, size_px: int) -> tuple[float, float]:
    share = (along - CORK_END) / (TIP - CORK_END)
    radius = CORK_RADIUS * 0.8 + (SKIRT_RADIUS - CORK_RADIUS * 0.8) * share
    across, up, _ = rotation @ np.array([along, radius * np.cos(turn), radius * np.sin(turn)], np.float32)
    return (float(across) + 1) * size_px / 2, (1 - float(up)) * size_px / 2
