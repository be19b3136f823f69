"""The scenery of a ball: ground, clutter behind it, objects in front. None of it depends on the class."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from training.practice_set.patterns import Colour
from training.practice_set.solids import Array

Ground = Callable[[np.random.Generator, int], Array]


def random_ground(rng: np.random.Generator, size_px: int) -> Array:
    """One of the grounds: (S, S, 3), 0 to 1, turned by a random quarter if that makes sense."""
    ground = GROUNDS[rng.integers(len(GROUNDS))](rng, size_px)
    lit: Array = np.clip(ground * rng.uniform(0.75, 1.1), 0, 1)
    return lit


def clutter(picture: Image.Image, rng: np.random.Generator, *, most: int, blur_px: float) -> Image.Image:
    """Up to `most` blurred shapes over the picture: people, bags, posts and lines, out of focus."""
    draw = ImageDraw.Draw(picture)
    size = picture.width
    for _ in range(rng.integers(most + 1)):
        colour = _muted(rng)
        x, y = rng.uniform(-0.1, 0.9, 2) * size
        wide, high = rng.uniform(0.06, 0.45, 2) * size
        match rng.integers(3):
            case 0:
                draw.ellipse((x, y, x + wide, y + high), fill=colour)
            case 1:
                draw.rectangle((x, y, x + wide, y + high), fill=colour)
            case _:
                draw.line((x, y, x + 3 * wide - size * 0.3, y + 3 * high), fill=colour, width=max(2, size // 40))
    return picture.filter(ImageFilter.GaussianBlur(blur_px))


def occlude(picture: Image.Image, rng: np.random.Generator, middle: tuple[float, float], radius: float) -> None:
    """Something in front, drawn into the picture: it reaches at most a third of the way into the ball."""
    draw = ImageDraw.Draw(picture)
    angle = rng.uniform(0, 2 * np.pi)
    reach = radius * rng.uniform(1.25, 1.5)
    x, y = middle[0] + reach * np.cos(angle), middle[1] + reach * np.sin(angle)
    colour = _muted(rng)
    if rng.random() < 0.6:
        size = radius * rng.uniform(0.5, 0.75)
        draw.ellipse((x - size, y - size, x + size, y + size), fill=colour)
        return
    along = np.array([-np.sin(angle), np.cos(angle)]) * 4 * radius
    ends = (x - along[0], y - along[1], x + along[0], y + along[1])
    draw.line(ends, fill=colour, width=int(radius * rng.uniform(0.3, 0.7)))


def _muted(rng: np.random.Generator) -> tuple[int, int, int]:
    """A colour as clothes and bags have it: seldom a loud one."""
    grey, hue = rng.uniform(30, 220), rng.uniform(-45, 45, 3)
    red, green, blue = np.clip(grey + hue, 0, 255).astype(int).tolist()
    return red, green, blue


def _noise(rng: np.random.Generator, size_px: int, across: int, down: int) -> Array:
    """Smooth noise of -1 to 1 (S, S) with that many hills across and down."""
    hills = rng.uniform(-1, 1, (max(2, down), max(2, across))).astype(np.float32)
    return np.asarray(Image.fromarray(hills).resize((size_px, size_px), Image.Resampling.BICUBIC))


def _coloured(base: Colour, shade: Array) -> Array:
    coloured: Array = np.asarray(base, np.float32) * (1 + shade)[..., None]
    return coloured


def _jittered(rng: np.random.Generator, colour: Colour, spread: float = 0.07) -> Array:
    return np.asarray(np.clip(np.asarray(colour) + rng.uniform(-spread, spread, 3), 0, 1), np.float32)


def _painted_line(ground: Array, rng: np.random.Generator, colour: Colour = (0.93, 0.93, 0.92)) -> Array:
    size = len(ground)
    down, across = np.mgrid[0:size, 0:size].astype(np.float32) / size - 0.5
    angle = rng.uniform(0, np.pi)
    away = np.abs(across * np.cos(angle) + down * np.sin(angle) - rng.uniform(-0.35, 0.35))
    line: Array = np.clip((rng.uniform(0.02, 0.045) - away) * size / 2 + 0.5, 0, 1)[..., None]
    return ground * (1 - line) + np.asarray(colour, np.float32) * line


def grass(rng: np.random.Generator, size_px: int) -> Array:
    """A lawn: blades as streaks, patches of lighter and darker green."""
    blades = _noise(rng, size_px, size_px // 2, size_px // 7) * 0.28 + _noise(rng, size_px, size_px, size_px // 3) * 0.2
    ground = _coloured(_jittered(rng, (0.27, 0.48, 0.17)), blades + 0.2 * _noise(rng, size_px, 4, 4))
    return _painted_line(ground, rng) if rng.random() < 0.2 else ground


def boards(rng: np.random.Generator, size_px: int) -> Array:
    """A sports hall's floor: boards of varnished wood, sometimes a painted line."""
    count = int(rng.integers(4, 9))
    place = np.arange(size_px) * count / size_px
    tone = rng.uniform(-0.10, 0.10, count)[place.astype(np.int32)] - 0.3 * (place % 1 < 0.05)
    along = _noise(rng, size_px, 3, size_px // 3) * 0.07
    ground = _coloured(_jittered(rng, (0.74, 0.53, 0.32)), tone[:, None].astype(np.float32) + along)
    if rng.random() < 0.5:
        ground = ground.transpose(1, 0, 2)
    return _painted_line(ground, rng, _jittered(rng, (0.6, 0.4, 0.5), 0.4)) if rng.random() < 0.35 else ground


def clay(rng: np.random.Generator, size_px: int) -> Array:
    """Brick dust or sand, with a line now and then."""
    base = (0.70, 0.36, 0.22) if rng.random() < 0.6 else (0.82, 0.72, 0.53)
    dust = _noise(rng, size_px, size_px, size_px) * 0.10 + _noise(rng, size_px, 9, 9) * 0.08
    ground = _coloured(_jittered(rng, base), dust)
    return _painted_line(ground, rng) if rng.random() < 0.3 else ground


def felt(rng: np.random.Generator, size_px: int) -> Array:
    """A table's cloth or a mat: one colour, a fine weave, darker to one side."""
    base = [(0.05, 0.42, 0.26), (0.10, 0.30, 0.55), (0.45, 0.10, 0.14), (0.16, 0.17, 0.20)][rng.integers(4)]
    slope = np.linspace(-0.2, 0.15, size_px, dtype=np.float32)
    return _coloured(_jittered(rng, base), slope[:, None] + _noise(rng, size_px, size_px // 2, size_px // 2) * 0.08)


def sky(rng: np.random.Generator, size_px: int) -> Array:
    """Blue, paler towards the horizon, with clouds."""
    fade = np.linspace(0, 1, size_px, dtype=np.float32)[:, None, None]
    blue, pale = _jittered(rng, (0.30, 0.52, 0.82)), _jittered(rng, (0.70, 0.82, 0.92))
    cloud = np.clip(_noise(rng, size_px, 5, 8) + 0.4 * _noise(rng, size_px, 14, 20) - 0.15, 0, 1)[..., None]
    return (blue * (1 - fade) + pale * fade) * (1 - cloud) + 0.95 * cloud


def ice(rng: np.random.Generator, size_px: int) -> Array:
    """A rink: bluish white, scratched."""
    ground = _coloured(_jittered(rng, (0.84, 0.89, 0.94), 0.03), _noise(rng, size_px, 6, 6) * 0.05)
    for _ in range(rng.integers(2, 6)):
        ground = 0.93 * ground + 0.07 * _painted_line(ground, rng, (1.0, 1.0, 1.0))
    return _painted_line(ground, rng, _jittered(rng, (0.6, 0.2, 0.4), 0.25)) if rng.random() < 0.3 else ground


def wall(rng: np.random.Generator, size_px: int) -> Array:
    """Plaster or paper of any colour, lit from a side."""
    left, right = rng.uniform(-0.25, 0.25, 2).tolist()
    slope = np.linspace(left, right, size_px, dtype=np.float32)
    return _coloured(
        np.clip(rng.uniform(0.25, 0.9) + rng.uniform(-0.2, 0.2, 3), 0, 1),
        slope[None] + _noise(rng, size_px, 60, 60) * 0.03,
    )


def stands(rng: np.random.Generator, size_px: int) -> Array:
    """A crowd out of focus: patches of every colour."""
    hues = np.stack([_noise(rng, size_px, 9, 9) for _ in range(3)], axis=-1)
    grey = _noise(rng, size_px, 12, 12)[..., None]
    return np.clip(rng.uniform(0.25, 0.6) + 0.09 * hues + 0.22 * grey, 0, 1)


GROUNDS: tuple[Ground, ...] = (grass, boards, clay, felt, sky, ice, wall, stands)
