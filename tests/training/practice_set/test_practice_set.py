"""The drawn data set: pure, complete, and never the same picture in two splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from training.errors import WrongInput
from training.practice_set import CLASSES, Drawn, render_dataset, render_image
from training.practice_set.files import SEEDS_PER_SPLIT, seed_of
from training.practice_set.solids import (
    disc,
    facing_rotation,
    random_rotation,
    sphere,
    spindle,
    tilted_rotation,
    traced,
)

labels = st.sampled_from(CLASSES)
seeds = st.integers(0, 3 * SEEDS_PER_SPLIT - 1)


@settings(max_examples=30)
@given(labels, seeds)
def test_a_picture_is_a_pure_function_of_class_and_seed(label: str, seed: int) -> None:
    first, again = render_image(label, seed, 48), render_image(label, seed, 48)
    assert first.size == (48, 48)
    assert first.mode == "RGB"
    assert first.tobytes() == again.tobytes()


@settings(max_examples=30)
@given(labels, seeds, seeds)
def test_different_seeds_give_different_pictures(label: str, one: int, other: int) -> None:
    assert (one == other) == (render_image(label, one, 32).tobytes() == render_image(label, other, 32).tobytes())


@pytest.mark.parametrize("label", CLASSES)
def test_every_class_is_drawn_and_its_ball_is_no_background(label: str) -> None:
    middles = [np.asarray(render_image(label, seed, 64), np.float32)[16:48, 16:48] for seed in range(4)]
    assert all(middle.std() > 8 for middle in middles)


def test_there_are_the_fifteen_classes_of_the_photo_set() -> None:
    assert len(CLASSES) == 15
    assert {"american football", "hockey puck", "shuttlecock", "table tennis ball"} < set(CLASSES)


def test_the_scene_around_a_ball_says_nothing_about_its_class() -> None:
    """The ground, the clutter and what stands in front are drawn by functions that do not know the class."""
    from inspect import signature

    from training.practice_set import scene, scenery

    for function in (scene._background, scene._photograph, scenery.occlude, scenery.clutter, scenery.random_ground):
        assert "label" not in signature(function).parameters


def test_an_unknown_class_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'squash ball'.*baseball"):
        render_image("squash ball", 0)


@given(st.integers(0, SEEDS_PER_SPLIT - 1), st.integers(0, SEEDS_PER_SPLIT - 1))
def test_splits_never_share_a_seed(one: int, other: int) -> None:
    assert len({seed_of("train", one), seed_of("validation", other), seed_of("unseen", other)}) == 3


@pytest.mark.parametrize("number", [-1, SEEDS_PER_SPLIT])
def test_a_number_outside_of_a_split_is_refused(number: int) -> None:
    with pytest.raises(WrongInput, match="does not exist"):
        seed_of("train", number)


def test_a_data_set_is_a_folder_per_class_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    seen: list[Drawn] = []
    paths = render_dataset(
        tmp_path / "one", split="train", images_per_class=2, first_seed=5, size_px=32, on_image=seen.append
    )
    again = render_dataset(tmp_path / "two", split="train", images_per_class=2, first_seed=5, size_px=32)
    assert [path.relative_to(tmp_path / "one") for path in paths] == [p.relative_to(tmp_path / "two") for p in again]
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
    assert paths[0] == tmp_path / "one" / "train" / CLASSES[0] / "000005.jpg"
    assert seen[-1] == Drawn(30, 30)
    assert sorted(path for path in (tmp_path / "one").rglob("*") if path.is_file()) == sorted(paths)


def test_what_is_there_is_left_as_it_is_unless_its_size_differs(tmp_path: Path) -> None:
    paths = render_dataset(tmp_path, split="unseen", images_per_class=1, size_px=32)
    Image.new("RGB", (32, 32), "red").save(paths[0])
    Image.new("RGB", (8, 8), "red").save(paths[1])
    paths[2].unlink()
    kept = paths[0].read_bytes()
    seen: list[Drawn] = []
    render_dataset(tmp_path, split="unseen", images_per_class=1, size_px=32, on_image=seen.append)
    assert paths[0].read_bytes() == kept
    assert [drawn.done for drawn in seen] == [14, 15]
    with Image.open(paths[1]) as redrawn:
        assert redrawn.size == (32, 32)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_rotations_are_rotations(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for rotation in (random_rotation(rng), tilted_rotation(rng, tilt=0.5), facing_rotation(rng, most=0.9)):
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-5)
        assert np.linalg.det(rotation) == pytest.approx(1, abs=1e-5)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1.2))
def test_a_facing_rotation_turns_x_no_further_from_the_camera_than_allowed(seed: int, most: float) -> None:
    towards_camera = facing_rotation(np.random.default_rng(seed), most=most)[:, 0][2]
    assert np.arccos(np.clip(towards_camera, -1, 1)) <= most + 1e-2


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_a_traced_ball_is_the_solved_ball(seed: int) -> None:
    rotation = random_rotation(np.random.default_rng(seed))
    solved = sphere(40, rotation)
    walked = traced(40, rotation, lambda points: np.linalg.norm(points, axis=1) - 1)
    differ = solved.inside != walked.inside
    assert differ.mean() < 0.08  # rays that graze the rim
    both = solved.inside & walked.inside
    np.testing.assert_allclose(solved.normals[both[solved.inside]], walked.normals[both[walked.inside]], atol=0.1)


def test_solids_are_as_long_and_as_wide_as_they_say() -> None:
    on_surface = np.array([[0.9, 0, 0], [0, 0.5, 0], [0, 0, -0.5]], np.float32)
    np.testing.assert_allclose(spindle(length=0.9, width=0.5, rounding=0.1)(on_surface), 0, atol=1e-6)
    on_puck = np.array([[0.9, 0, 0], [0, 0, 0.3], [0, -0.9, 0]], np.float32)
    np.testing.assert_allclose(disc(radius=0.9, half_height=0.3, rounding=0.05)(on_puck), 0, atol=1e-6)


def test_the_contact_sheet_shows_every_class_under_its_name() -> None:
    from training.practice_set.contact_sheet import CAPTION_PX, CELL_PX, GAP_PX, contact_sheet

    sheet = contact_sheet(images_per_class=1, columns=3)
    assert sheet.height == 5 * (CAPTION_PX + CELL_PX + GAP_PX)
    for index, label in enumerate(CLASSES):
        left, top = index % 3 * (sheet.width // 3) + GAP_PX, index // 3 * (sheet.height // 5) + CAPTION_PX
        cell = sheet.crop((left, top, left + CELL_PX, top + CELL_PX))
        assert cell.tobytes() == render_image(label, 0, CELL_PX).tobytes()
        assert min(sheet.crop((left, top - CAPTION_PX, left + CELL_PX, top)).convert("L").tobytes()) < 100
