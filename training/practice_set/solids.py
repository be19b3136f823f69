"""What the camera sees of a solid: a point and a normal for every pixel that hits it.

The camera is orthographic and looks along -z; every solid fits the unit ball, so a window of `size_px` squared covers it.
Spheres are solved in one line. The others are distance functions, walked along the ray until they touch (Hart 1996,
'Sphere tracing', https://doi.org/10.1007/s003710050084).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]  # float32 in practice: half the time of float64
Distance = Callable[[Array], Array]  # (N, 3) points of the object's space -> (N,) distance to the surface

STEPS = 14  # of the walk; the solids here are smooth, and 14 leave an error under half a pixel
NEAR = 0.012  # a ray that ends this close to the surface has hit it


@dataclass(frozen=True)
class Hit:
    """The visible surface, in the object's own coordinates."""

    inside: NDArray[np.bool_]  # (S, S): the pixels that hit
    points: Array  # (N, 3), in the order of inside's True pixels
    normals: Array  # (N, 3), of unit length


def random_rotation(rng: np.random.Generator) -> Array:
    """A rotation matrix, uniform over all rotations (Shoemake 1992: a unit quaternion uniform on its sphere)."""
    return _rotation(rng.normal(size=4))


def facing_rotation(rng: np.random.Generator, *, most: float) -> Array:
    """The object's x axis towards the camera, at most `most` radians aside; any spin about it."""
    lean = most * np.sqrt(rng.random())
    upright = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], np.float32)
    about_y = _rotation(np.array([np.cos(lean / 2), 0, np.sin(lean / 2), 0]))
    spins = [_rotation(np.array([np.cos(half), 0, 0, np.sin(half)])) for half in rng.uniform(0, np.pi, 2)]
    return np.asarray(spins[0] @ about_y @ spins[1] @ upright, np.float32)


def tilted_rotation(rng: np.random.Generator, *, tilt: float) -> Array:
    """The object's x axis anywhere in the picture's plane, but at most `tilt` radians out of it; any spin about it."""
    spin, lean, turn = rng.uniform(0, 2 * np.pi), rng.uniform(-tilt, tilt), rng.uniform(0, 2 * np.pi)
    about_x = _rotation(np.array([np.cos(spin / 2), np.sin(spin / 2), 0, 0]))
    about_y = _rotation(np.array([np.cos(lean / 2), 0, np.sin(lean / 2), 0]))
    about_z = _rotation(np.array([np.cos(turn / 2), 0, 0, np.sin(turn / 2)]))
    return about_z @ about_y @ about_x


def _rotation(quaternion: NDArray[np.float64]) -> Array:
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ],
        dtype=np.float32,
    )


def sphere(size_px: int, rotation: Array) -> Hit:
    """The unit sphere, turned by `rotation`."""
    across, up = _window(size_px)
    squared = across**2 + up**2
    inside = squared < 1
    seen = np.stack([across[inside], up[inside], np.sqrt(1 - squared[inside])], axis=1)
    points = dot(seen, rotation)
    return Hit(inside, points, points)


def traced(size_px: int, rotation: Array, distance: Distance) -> Hit:
    """The solid within `distance` 0, turned by `rotation`."""
    across, up = _window(size_px)
    reach = across**2 + up**2 < 1
    front = dot(np.stack([across[reach], up[reach], np.ones(int(reach.sum()), np.float32)], axis=1), rotation)
    ray = -rotation[2]
    gone = np.zeros(len(front), np.float32)
    for _ in range(STEPS):
        gone += distance(front + gone[:, None] * ray)
    touches = (distance(front + gone[:, None] * ray) < NEAR) & (gone < 2)
    points = (front + gone[:, None] * ray)[touches]
    inside = reach.copy()
    inside[reach] = touches
    return Hit(inside, points, _gradient(distance, points))


def spindle(*, length: float, width: float, rounding: float) -> Distance:
    """An arc turned about the x axis: half `length`, half `width`; pointed ends, blunted by `rounding`."""
    half_length, half_width = length - rounding, width - rounding
    below = (half_length**2 - half_width**2) / (2 * half_width)  # how far under the axis the arc's centre lies
    radius = half_width + below

    def distance(points: Array) -> Array:
        out = length_of(points[:, 1], points[:, 2])
        along = np.abs(points[:, 0])
        arc = length_of(along, out + below) - radius
        beyond = (along - half_length) * below > out * half_length
        return np.where(beyond, length_of(along - half_length, out), arc) - np.float32(rounding)

    return distance


def disc(*, radius: float, half_height: float, rounding: float) -> Distance:
    """A flat cylinder about the z axis with rounded edges."""

    def distance(points: Array) -> Array:
        side = length_of(points[:, 0], points[:, 1]) - (radius - rounding)
        top = np.abs(points[:, 2]) - (half_height - rounding)
        outside = length_of(np.maximum(side, 0), np.maximum(top, 0))
        inside: Array = np.minimum(np.maximum(side, top), 0)
        return outside + inside - np.float32(rounding)

    return distance


def dot(points: Array, vectors: Array) -> Array:
    """Products of points (N, 3) with one vector (3,) or several (3, K).

    Not `@`: it would start a BLAS thread per core in each of the processes that draw, and they wait in busy loops.
    """
    products: Array = np.einsum("nk,k...->n...", points, np.ascontiguousarray(vectors, points.dtype))
    return products


def length_of(across: Array, up: Array) -> Array:
    """The hypotenuse; np.hypot guards against overflow, and takes five times as long."""
    hypotenuse: Array = np.sqrt(across * across + up * up)
    return hypotenuse


def _window(size_px: int) -> tuple[Array, Array]:
    steps = (np.arange(size_px, dtype=np.float32) + 0.5) * (2 / size_px) - 1
    across, down = np.meshgrid(steps, steps)
    return across, -down


def _gradient(distance: Distance, points: Array) -> Array:
    step = np.float32(0.004)
    slopes = [distance(points + step * axis) - distance(points - step * axis) for axis in np.eye(3, dtype=np.float32)]
    normals = np.stack(slopes, axis=1)
    return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6), np.float32)
