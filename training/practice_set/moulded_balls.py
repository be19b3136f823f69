"""Balls that come out of a mould: the pattern of each on the unit sphere."""

from __future__ import annotations

import numpy as np

from training.practice_set.patterns import Surface, dimples, grain, mix, paint, shaded, stamp, star, stroke, tangent
from training.practice_set.solids import Array, length_of

# Pool's own colours, 1 to 8; 9 to 15 repeat 1 to 7 as a stripe.
BILLIARD_COLOURS = (
    (0.96, 0.76, 0.08),
    (0.08, 0.20, 0.62),
    (0.82, 0.08, 0.10),
    (0.36, 0.12, 0.50),
    (0.95, 0.42, 0.06),
    (0.05, 0.42, 0.22),
    (0.46, 0.06, 0.12),
    (0.05, 0.05, 0.06),
)
BOWLING_COLOURS = (
    ((0.06, 0.10, 0.42), (0.20, 0.45, 0.85)),
    ((0.28, 0.04, 0.36), (0.70, 0.25, 0.75)),
    ((0.42, 0.03, 0.06), (0.85, 0.22, 0.16)),
    ((0.03, 0.03, 0.05), (0.22, 0.22, 0.26)),
    ((0.02, 0.26, 0.20), (0.15, 0.65, 0.45)),
    ((0.03, 0.05, 0.20), (0.60, 0.15, 0.30)),
)
HOCKEY_COLOURS = (
    (0.98, 0.42, 0.08),
    (0.96, 0.86, 0.10),
    (0.93, 0.93, 0.92),
    (0.95, 0.25, 0.50),
    (0.45, 0.80, 0.20),
    (0.15, 0.50, 0.85),
)


def billiard_ball(points: Array, rng: np.random.Generator) -> Surface:
    """A number in a white circle on either side; solid to eight, striped from nine."""
    number = int(rng.integers(1, 16))
    colour = BILLIARD_COLOURS[(number - 1) % 8]
    white = shaded((0.96, 0.95, 0.90), rng, 0.03)
    albedo = paint(len(points), colour)
    if number > 8:
        albedo = mix(albedo, white, stroke(1 - np.abs(points[:, 2]), 0.44, 0.02))
    for side in (-1.0, 1.0):
        right, up = tangent(points, (side, 0.0, 0.0))
        albedo = mix(albedo, white, stroke(length_of(right, up), 0.40))
        albedo = mix(albedo, (0.04, 0.04, 0.05), stamp(right, up, str(number), 0.34))
    return Surface(albedo, gloss=0.9, sharpness=90)


def bowling_ball(points: Array, rng: np.random.Generator) -> Surface:
    """Swirled and polished, with two finger holes and one for the thumb."""
    dark, bright = BOWLING_COLOURS[rng.integers(len(BOWLING_COLOURS))]
    warped = points + 0.5 * grain(points, rng, frequency=3)[:, None]
    swirl = np.clip(0.5 + 0.9 * grain(warped, rng, frequency=6), 0, 1)
    albedo = mix(paint(len(points), dark), bright, swirl * 0.8)
    right, up = tangent(points, (1.0, 0.0, 0.0))
    for place, radius in (((-0.16, 0.20), 0.115), ((0.16, 0.20), 0.115), ((0.0, -0.24), 0.145)):
        away = length_of(right - place[0], up - place[1])
        albedo = mix(albedo, np.asarray(bright) * 0.5 + 0.4, 0.6 * stroke(away - radius, 0.018))
        albedo = mix(albedo, (0.015, 0.015, 0.02), stroke(away, radius))
    return Surface(albedo, gloss=0.8, sharpness=70)


def golf_ball(points: Array, rng: np.random.Generator) -> Surface:
    """White, with deep round dimples all over."""
    bump, hollow = dimples(points, count=300, radius=0.098, depth=0.62)
    albedo = paint(len(points), shaded((0.96, 0.96, 0.95), rng, 0.03)) * (1 - 0.16 * (hollow > 0.04))[:, None]
    if rng.random() < 0.5:
        right, up = tangent(points, (1.0, 0.0, 0.0))
        albedo = mix(albedo, (0.75, 0.05, 0.08), stamp(right, up, str(rng.integers(1, 5)), 0.16))
    return Surface(albedo, bump=bump, gloss=0.4, sharpness=30)


def hockey_ball(points: Array, rng: np.random.Generator) -> Surface:
    """Field hockey's: hard bright plastic, fine shallow dimples, a smooth raised ring where the mould closed."""
    z = points[:, 2]
    bump, hollow = dimples(points, count=460, radius=0.066, depth=0.35)
    ring = stroke(z, 0.075, 0.02)
    albedo = paint(len(points), shaded(HOCKEY_COLOURS[rng.integers(len(HOCKEY_COLOURS))], rng, 0.04))
    albedo = albedo * (1 - 0.10 * (hollow > 0.1) * (1 - ring))[:, None]
    albedo = albedo * (1 - 0.35 * stroke(np.abs(z) - 0.085, 0.012))[:, None]
    return Surface(albedo, bump=bump * (1 - ring)[:, None], gloss=0.3, sharpness=25)


def table_tennis_ball(points: Array, rng: np.random.Generator) -> Surface:
    """Matte white or orange, plain but for a maker's mark under three stars."""
    orange = rng.random() < 0.4
    albedo = paint(len(points), shaded((0.98, 0.58, 0.10) if orange else (0.95, 0.95, 0.94), rng, 0.03))
    ink = [(0.08, 0.12, 0.45), (0.75, 0.08, 0.08), (0.06, 0.06, 0.07)][rng.integers(2 if not orange else 3)]
    albedo = albedo * (1 - 0.07 * stroke(points[:, 0] * 0.6 + points[:, 2] * 0.8, 0.008))[:, None]
    for side in (-1.0, 1.0):
        right, up = tangent(points, (side, 0.0, 0.0))
        for shift in (-0.15, 0.0, 0.15):
            albedo = mix(albedo, ink, star(right - shift, up - 0.14, 0.085))
        albedo = mix(albedo, ink, 0.9 * stamp(right, up + 0.06, "40+", 0.30))
    return Surface(albedo, gloss=0.12, sharpness=10)
