"""One picture of one ball: a pure function of its class and a seed.

ground -> clutter -> shadow -> ball, lit -> something in front -> camera (half the size, blur, grain)
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from training.practice_set import long_shapes, moulded_balls, sewn_balls
from training.practice_set.light import Light, over, random_light, shade
from training.practice_set.scenery import clutter, occlude, random_ground
from training.practice_set.shuttlecock import shuttlecock
from training.practice_set.solids import Array, facing_rotation, random_rotation, sphere, tilted_rotation, traced

ROUND = {
    "baseball": sewn_balls.baseball,
    "basketball": sewn_balls.basketball,
    "billiard ball": moulded_balls.billiard_ball,
    "bowling ball": moulded_balls.bowling_ball,
    "cricket ball": sewn_balls.cricket_ball,
    "football": sewn_balls.football,
    "golf ball": moulded_balls.golf_ball,
    "hockey ball": moulded_balls.hockey_ball,
    "table tennis ball": moulded_balls.table_tennis_ball,
    "tennis ball": sewn_balls.tennis_ball,
    "volleyball": sewn_balls.volleyball,
}
LONG = {
    "american football": (long_shapes.AMERICAN_FOOTBALL, long_shapes.american_football),
    "rugby ball": (long_shapes.RUGBY_BALL, long_shapes.rugby_ball),
}
# How far, in radians, the side that names the ball (its x axis) may turn away from the camera; the others turn freely.
TURNED_AWAY = {
    "billiard ball": 0.95,
    "bowling ball": 1.05,
    "cricket ball": 1.05,
    "hockey ball": 1.0,
    "table tennis ball": 0.9,
}
CLASSES: tuple[str, ...] = tuple(sorted([*ROUND, *LONG, "hockey puck", "shuttlecock"]))
SUPERSAMPLING = 2


def render_image(label: str, seed: int, size_px: int = 128) -> Image.Image:
    """A square RGB picture of a `label`, one of CLASSES; the same picture for the same arguments, on any day."""
    if label not in CLASSES:
        raise ValueError(f"No ball is called {label!r}. Choose one of: {', '.join(CLASSES)}.")
    source = np.random.SeedSequence([CLASSES.index(label), seed])
    around, thing, camera = (np.random.default_rng(child) for child in source.spawn(3))
    canvas_px = size_px * SUPERSAMPLING
    radius = canvas_px * thing.uniform(0.29, 0.46) * (1.12 if label in LONG else 1)
    x, y = canvas_px * (0.5 + thing.uniform(-1, 1, 2) * max(0.02, 0.52 - radius / canvas_px))
    light = random_light(thing)
    layer = _object(label, int(2 * radius), thing, light)
    picture = _background(around, size_px)
    left, top = round(x - len(layer) / 2), round(y - len(layer) / 2)
    picture = _paste(_shadowed(picture, (x, y), radius, light), layer, left, top)
    seen = Image.fromarray((picture * 255).astype(np.uint8))
    if camera.random() < 0.3:
        occlude(seen, camera, (x, y), radius)
    return _photograph(seen.reduce(SUPERSAMPLING), camera)


def _object(label: str, window_px: int, rng: np.random.Generator, light: Light) -> Array:
    if label == "shuttlecock":
        return shuttlecock(window_px, rng, light)
    if label in ROUND:
        most = TURNED_AWAY.get(label)
        rotation = random_rotation(rng) if most is None else facing_rotation(rng, most=most)
        hit = sphere(window_px, rotation)
        return shade(hit, ROUND[label](hit.points, rng), rotation, light)
    if label == "hockey puck":
        rotation = _lying(rng)
        hit = traced(window_px, rotation, long_shapes.HOCKEY_PUCK)
        return shade(hit, long_shapes.hockey_puck(hit.points, rng), rotation, light)
    distance, pattern = LONG[label]
    rotation = tilted_rotation(rng, tilt=0.5)
    hit = traced(window_px, rotation, distance)
    return shade(hit, pattern(hit.points, rng), rotation, light)


def _lying(rng: np.random.Generator) -> Array:
    """A puck's pose: seen from above at 15 to 65 degrees, a little askew."""
    lean, askew = rng.uniform(0.26, 1.13), rng.uniform(-0.5, 0.5)
    tip = np.array([[1, 0, 0], [0, np.sin(lean), np.cos(lean)], [0, -np.cos(lean), np.sin(lean)]])
    turn = np.array([[np.cos(askew), -np.sin(askew), 0], [np.sin(askew), np.cos(askew), 0], [0, 0, 1]])
    spin = rng.uniform(0, 2 * np.pi)
    about = np.array([[np.cos(spin), -np.sin(spin), 0], [np.sin(spin), np.cos(spin), 0], [0, 0, 1]])
    pose: Array = (turn @ tip @ about).astype(np.float32)
    return pose


def _background(rng: np.random.Generator, size_px: int) -> Array:
    ground = Image.fromarray((random_ground(rng, size_px) * 255).astype(np.uint8))
    if rng.random() < 0.55:
        ground = clutter(ground, rng, most=5, blur_px=size_px * rng.uniform(0.008, 0.04))
    canvas = ground.resize((size_px * SUPERSAMPLING,) * 2, Image.Resampling.BILINEAR)
    return np.asarray(canvas, np.float32) / 255


def _shadowed(picture: Array, middle: tuple[float, float], radius: float, light: Light) -> Array:
    """A soft shadow under the ball, on the side away from the lamp."""
    down, across = np.ogrid[0 : len(picture), 0 : len(picture)]
    right = (across - middle[0]) / radius + 0.5 * float(light.towards[0])
    below = (down - middle[1]) / radius - 0.55 - 0.3 * float(light.towards[1])
    dark = np.exp(-((right / 0.85) ** 4) - (below / 0.55) ** 2).astype(np.float32)
    return picture * (1 - 0.5 * dark)[..., None]


def _paste(picture: Array, layer: Array, left: int, top: int) -> Array:
    size, window = len(picture), len(layer)
    rows = slice(max(0, top), min(size, top + window))
    columns = slice(max(0, left), min(size, left + window))
    piece = layer[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    picture[rows, columns] = over(picture[rows, columns], piece)
    return picture


def _photograph(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """What a camera adds: a little blur, exposure, grain."""
    if rng.random() < 0.35:
        picture = picture.filter(ImageFilter.GaussianBlur(picture.width * rng.uniform(0.002, 0.007)))
    values = np.asarray(picture, np.float32) * rng.uniform(0.85, 1.12)
    values += rng.normal(0, rng.uniform(0.5, 6), values.shape).astype(np.float32)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
