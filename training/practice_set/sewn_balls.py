"""Balls that are sewn or glued from panels: the pattern of each on the unit sphere."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from training.practice_set.patterns import Surface, grain, mix, paint, seam, shaded, stamp, stroke, tangent
from training.practice_set.solids import Array, dot

GOLDEN = (1 + 5**0.5) / 2


def baseball(points: Array, rng: np.random.Generator) -> Surface:
    """White leather, two pieces, red stitches like a row of small v along the seam."""
    side, along = seam(points)
    albedo = paint(len(points), shaded((0.95, 0.93, 0.88), rng, 0.04))
    albedo = albedo * (1 + 0.03 * grain(points, rng, frequency=9))[:, None]
    albedo = mix(albedo, (0.68, 0.62, 0.56), stroke(side, 0.012))
    stitch = (along * 54 + np.abs(side) * 9) % 1
    sewn = stroke(np.abs(side) - 0.062, 0.048) * (stitch < 0.42)
    return Surface(mix(albedo, shaded((0.78, 0.08, 0.10), rng), sewn), gloss=0.15)


def basketball(points: Array, rng: np.random.Generator) -> Surface:
    """Orange, pebbled; two great circles and the two curves between them."""
    x, y, z = points.T
    pebbles = grain(points, rng, frequency=95)
    albedo = paint(len(points), shaded((0.88, 0.42, 0.13), rng, 0.1)) * (1 + 0.10 * pebbles)[:, None]
    curves = np.abs(x) - (0.52 + 0.26 * z**2)
    for line in (x, y, curves):
        albedo = mix(albedo, (0.07, 0.05, 0.05), stroke(line, 0.024))
    return Surface(albedo, gloss=0.22, sharpness=12)


def football(points: Array, rng: np.random.Generator) -> Surface:
    """A truncated icosahedron: twelve dark pentagons among twenty white hexagons."""
    nearness = dot(points, _football_faces().T)
    reach = np.partition(nearness, -2, axis=1)[:, -2:]
    pentagon = nearness.argmax(axis=1) < 12
    dark = [(0.05, 0.05, 0.07), (0.05, 0.05, 0.07), (0.06, 0.12, 0.4), (0.65, 0.06, 0.1)][rng.integers(4)]
    albedo = paint(len(points), shaded((0.94, 0.94, 0.93), rng, 0.04))
    albedo = mix(albedo, dark, pentagon.astype(np.float32))
    albedo = mix(albedo, (0.25, 0.25, 0.27), 0.85 * stroke(reach[:, 1] - reach[:, 0], 0.011))
    return Surface(albedo, gloss=0.3, sharpness=22)


@lru_cache(maxsize=1)
def _football_faces() -> Array:
    """The 32 face normals over their distances, pentagons first: a ray meets the face with the largest product."""
    vertices = [(0, i, j * GOLDEN) for i in (-1, 1) for j in (-1, 1)]
    pentagons = np.array([np.roll(vertex, turn) for vertex in vertices for turn in range(3)])
    inner = [(0, i * GOLDEN, j / GOLDEN) for i in (-1, 1) for j in (-1, 1)]
    corners = [(i, j, k) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]
    hexagons = np.array([np.roll(vertex, turn) for vertex in inner for turn in range(3)] + corners)
    units = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (pentagons, hexagons)]
    return np.concatenate([units[0] / 2.327, units[1] / 2.267]).astype(np.float32)  # distances for edges of length 1


VOLLEYBALL_COLOURS = (
    ((0.95, 0.95, 0.93), (0.95, 0.95, 0.93), (0.95, 0.95, 0.93)),
    ((0.97, 0.82, 0.12), (0.10, 0.24, 0.62), (0.97, 0.82, 0.12)),
    ((0.95, 0.95, 0.93), (0.80, 0.12, 0.14), (0.12, 0.22, 0.55)),
    ((0.95, 0.95, 0.93), (0.10, 0.45, 0.25), (0.85, 0.14, 0.14)),
    ((0.95, 0.95, 0.93), (0.20, 0.45, 0.80), (0.97, 0.82, 0.12)),
)


def volleyball(points: Array, rng: np.random.Generator) -> Surface:
    """Eighteen strips: three on each face of a cube, turned from face to face."""
    size = np.abs(points)
    face = size.argmax(axis=1)
    rows = np.arange(len(points))
    along, across = points[rows, (face + 1) % 3], points[rows, (face + 2) % 3]
    depth = size[rows, face]
    strip_at = np.arctan2(across, depth) * (4 / np.pi)  # -1 to 1 over the face, bent as the sphere is
    edge_at = np.arctan2(along, depth) * (4 / np.pi)
    colours: Array = np.asarray(VOLLEYBALL_COLOURS[rng.integers(len(VOLLEYBALL_COLOURS))], np.float32)
    albedo: Array = colours[np.clip(((strip_at + 1) * 1.5).astype(np.int32), 0, 2)]
    gap = np.minimum(np.abs(np.abs(strip_at) - 1 / 3), 1 - np.maximum(np.abs(edge_at), np.abs(strip_at)))
    albedo = mix(albedo, (0.30, 0.30, 0.33), 0.8 * stroke(gap, 0.022, 0.03))
    puffed = np.cos(np.clip(gap, 0, 0.33) * 3 * np.pi / 2)
    return Surface(albedo * (1 - 0.16 * puffed**3)[:, None], gloss=0.18, sharpness=14)


def tennis_ball(points: Array, rng: np.random.Generator) -> Surface:
    """Optic yellow felt and one white curved seam."""
    side, _ = seam(points)
    fuzz = grain(points, rng, frequency=75) + 0.6 * grain(points, rng, frequency=140)
    albedo = paint(len(points), shaded((0.80, 0.90, 0.18), rng, 0.07)) * (1 + 0.09 * fuzz)[:, None]
    felt = mix(albedo, (0.96, 0.97, 0.92), stroke(side + 0.006 * fuzz, 0.045, 0.03))
    return Surface(felt, bump=0.12 * fuzz[:, None] * points[:, ::-1], gloss=0.0)


def cricket_ball(points: Array, rng: np.random.Generator) -> Surface:
    """Polished leather, mostly red, and a straight band of six rows of stitches."""
    x, y, z = points.T
    leather = [(0.58, 0.05, 0.06), (0.62, 0.07, 0.07), (0.52, 0.04, 0.06), (0.90, 0.88, 0.84)][rng.integers(4)]
    thread = (0.93, 0.88, 0.76) if leather[0] < 0.8 else (0.12, 0.28, 0.16)
    albedo = paint(len(points), shaded(leather, rng)) * (1 + 0.06 * grain(points, rng, frequency=14))[:, None]
    turn = np.arctan2(y, x) * (64 / (2 * np.pi))
    albedo = mix(albedo, np.asarray(leather) * 0.72, stroke(z, 0.13, 0.03))
    for row, slant in ((0.030, 0.0), (0.070, 0.2), (0.112, 0.4)):
        dashes = ((turn + slant * np.sign(z)) % 1) < 0.62
        albedo = mix(albedo, thread, stroke(np.abs(z) - row, 0.013) * dashes)
    right, up = tangent(points, (0.0, 0.35, 0.94), (1, 0, 0))
    gold = stamp(right, up, "CRICKET", 0.42) * 0.75
    return Surface(mix(albedo, (0.83, 0.68, 0.32), gold), gloss=0.55, sharpness=40)
