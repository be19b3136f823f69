"""What is no sphere: american football, rugby ball, puck. Solid and pattern of each."""

from __future__ import annotations

import numpy as np

from training.practice_set.patterns import Surface, grain, mix, paint, shaded, stroke
from training.practice_set.solids import Array, disc, length_of, spindle

AMERICAN_FOOTBALL = spindle(length=0.98, width=0.56, rounding=0.05)
RUGBY_BALL = spindle(length=0.98, width=0.64, rounding=0.36)
HOCKEY_PUCK = disc(radius=0.92, half_height=0.31, rounding=0.05)

RUGBY_COLOURS = (
    (0.10, 0.25, 0.65),
    (0.80, 0.10, 0.12),
    (0.05, 0.45, 0.25),
    (0.08, 0.08, 0.10),
    (0.95, 0.45, 0.08),
    (0.10, 0.60, 0.70),
)


def american_football(points: Array, rng: np.random.Generator) -> Surface:
    """Brown pebbled leather, white rings near the tips, white laces over a seam."""
    x, y, z = points.T
    pebbles = grain(points, rng, frequency=90)
    albedo = paint(len(points), shaded((0.46, 0.22, 0.11), rng, 0.12)) * (1 + 0.09 * pebbles)[:, None]
    for seam_at in (y, z):
        albedo = mix(albedo, (0.16, 0.08, 0.05), 0.7 * stroke(seam_at, 0.008))
    albedo = mix(albedo, (0.94, 0.93, 0.90), stroke(np.abs(x) - 0.64, 0.05))
    on_top = z > 0
    rungs = stroke((x + 0.375) % 0.107 - 0.0535, 0.018) * (np.abs(x) < 0.375) * stroke(y, 0.095)
    cord = stroke(y, 0.022) * (np.abs(x) < 0.39)
    return Surface(mix(albedo, (0.96, 0.95, 0.92), np.maximum(rungs, cord) * on_top), gloss=0.25, sharpness=14)


def rugby_ball(points: Array, rng: np.random.Generator) -> Surface:
    """White with four panels; coloured tips and a swoosh that runs from one to the other."""
    x, y, z = points.T
    pick = rng.permutation(len(RUGBY_COLOURS))[:2]
    first, second = (RUGBY_COLOURS[index] for index in pick)
    albedo = paint(len(points), shaded((0.95, 0.95, 0.94), rng, 0.03))
    turn = np.arctan2(z, y)
    tip = 0.52 + 0.16 * np.cos(2 * turn)
    albedo = mix(albedo, first, np.clip((np.abs(x) - tip) / 0.02 + 0.5, 0, 1))
    albedo = mix(albedo, second, stroke(np.abs(x) - tip + 0.10, 0.035))
    panel = np.minimum(np.abs(y), np.abs(z))
    albedo = mix(albedo, (0.35, 0.35, 0.38), 0.7 * stroke(panel, 0.012))
    return Surface(albedo * (1 + 0.04 * grain(points, rng, frequency=80))[:, None], gloss=0.22, sharpness=16)


def hockey_puck(points: Array, rng: np.random.Generator) -> Surface:
    """Black vulcanised rubber: smooth faces, a ribbed rim; every other one carries a printed disc."""
    x, y, z = points.T
    out = length_of(x, y)
    rim = (out > 0.88).astype(np.float32)
    turn = np.arctan2(y, x) * (80 / (2 * np.pi))
    ribs = np.minimum(np.abs((turn + z * 18) % 1 - 0.5), np.abs((turn - z * 18) % 1 - 0.5))
    banded = rim * (np.abs(z) < 0.2)
    albedo = paint(len(points), (0.075, 0.075, 0.085)) + 0.012 * grain(points, rng, frequency=60)[:, None]
    albedo = mix(albedo, (0.16, 0.16, 0.175), banded * stroke(ribs, 0.14, 0.08))
    if rng.random() < 0.5:
        ink = [(0.80, 0.82, 0.85), (0.75, 0.12, 0.14), (0.85, 0.65, 0.15), (0.15, 0.30, 0.70)][rng.integers(4)]
        ring = stroke(out - 0.5, 0.035) * (1 - rim)
        mark = stroke(np.abs(x) + np.abs(y), 0.3) * (1 - rim)
        albedo = mix(albedo, ink, 0.8 * np.maximum(ring, mark))
    return Surface(np.clip(albedo, 0, 1), gloss=0.35, sharpness=12)
