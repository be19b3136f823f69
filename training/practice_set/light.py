"""One lamp and the sky: how a surface turns into colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.practice_set.patterns import Surface
from training.practice_set.solids import Array, Hit, dot

TOWARDS_CAMERA = np.array([0, 0, 1], np.float32)


@dataclass(frozen=True)
class Light:
    """A lamp far away, in the camera's coordinates, and the light that comes from everywhere."""

    towards: Array  # (3,), unit length
    colour: Array  # (3,)
    ambient: Array  # (3,)


def random_light(rng: np.random.Generator) -> Light:
    """From above more often than not, never from behind; warm as a lamp or cool as the sky."""
    towards = np.array([rng.uniform(-0.8, 0.8), rng.uniform(-0.1, 1.0), rng.uniform(0.45, 1.0)], np.float32)
    warmth = rng.uniform(-0.07, 0.10)
    strength = rng.uniform(0.62, 0.88)
    tint = np.array([1 + warmth, 1.0, 1 - warmth], np.float32)
    ambient = rng.uniform(0.26, 0.46) * (2 - tint)
    return Light(towards / np.linalg.norm(towards), tint * np.float32(strength), ambient.astype(np.float32))


def shade(hit: Hit, surface: Surface, rotation: Array, light: Light) -> Array:
    """A layer (S, S, 4): red, green, blue and coverage, each 0 to 1 (Lambert, and Blinn's highlight)."""
    normals = hit.normals
    if surface.bump is not None:
        normals = normals + surface.bump
        normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    halfway = light.towards + TOWARDS_CAMERA
    halfway = halfway / np.linalg.norm(halfway)
    lamp, middle, camera = np.stack([light.towards, halfway, TOWARDS_CAMERA]) @ rotation
    diffuse = np.clip(dot(normals, lamp), 0, 1)[:, None]
    facing = np.clip(dot(normals, camera), 0, 1)[:, None]
    colours = surface.albedo * (light.ambient * (0.55 + 0.45 * facing) + diffuse * light.colour)
    if surface.gloss > 0:
        highlight = np.clip(dot(normals, middle), 0, 1) ** surface.sharpness
        colours = colours + (surface.gloss * 0.7 * highlight)[:, None] * light.colour
    layer = np.zeros((*hit.inside.shape, 4), np.float32)
    layer[hit.inside, :3] = np.clip(colours, 0, 1)
    layer[..., 3] = hit.inside
    return layer


def over(picture: Array, layer: Array) -> Array:
    """`layer` (S, S, 4) laid over `picture` (S, S, 3 or 4), of the same size."""
    cover = layer[..., 3:]
    seen = picture[..., :3] * (1 - cover) + layer[..., :3] * cover
    if picture.shape[-1] == 3:
        return seen
    return np.concatenate([seen, np.maximum(picture[..., 3:], cover)], axis=-1)
