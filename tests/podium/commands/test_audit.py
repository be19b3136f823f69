"""`podium audit`, for a person and for a script."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from podium.errors import EXIT_FAILED
from tests.podium.commands.console import podium, refused


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes in two splits; one photo is in both splits, one file is no picture."""
    data = tmp_path / "photos"
    for place, (split, label) in enumerate((s, c) for s in ("train", "test") for c in ("jade", "slate")):
        (data / split / label).mkdir(parents=True)
        for number in range(4):
            pixels = np.random.default_rng([place, number]).integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((64, 64)).save(data / split / label / f"{number}.png")
    shutil.copy(data / "train/jade/0.png", data / "test/jade/again.png")
    (data / "train/slate/notes.txt").write_text("no picture")
    return data


@pytest.mark.torch
def test_a_person_reads_classes_and_findings_and_gets_a_page_and_a_list(photos: Path, tmp_path: Path) -> None:
    result = podium("audit", photos, "--out", tmp_path / "out")
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[:3] == ["class train test files", "jade 4 5 9", "slate 5 4 9"]
    assert "leak 1 pictures in two splits: measured accuracy would be too good" in lines
    assert any(line.startswith("leak: train/jade/0.png = test/jade/again.png") for line in lines)
    assert any("--pretrained" in line for line in lines)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "audit.html", "audit.json", "groups.csv", "issues.csv",
    ]  # fmt: skip
    look, against, following = result.stderr.splitlines()[-3:]
    assert "audit.html" in look
    assert "exclude=leaks.csv" in against
    assert following == f"next: podium train {photos} groups={tmp_path / 'out' / 'groups.csv'}"


@pytest.mark.torch
def test_groups_are_offered_only_if_pictures_are_nearly_the_same(photos: Path, tmp_path: Path) -> None:
    drawn = photos / "train"
    assert "next:" not in podium("audit", drawn, "--no-labels", "--out", tmp_path / "one").stderr
    Image.open(drawn / "jade/0.png").resize((60, 60)).save(drawn / "jade/small.png")
    lines = podium("audit", drawn, "--no-labels", "--out", tmp_path / "two").stderr.splitlines()
    assert lines[-1] == f"next: podium train {drawn} groups={tmp_path / 'two' / 'groups.csv'}"
    assert not any("exclude=" in line for line in lines)


@pytest.mark.torch
def test_json_is_one_document(photos: Path, tmp_path: Path) -> None:
    document = json.loads(podium("audit", photos, "--no-labels", "--out", tmp_path / "out", "--json").stdout)
    assert document["folder"] == str(tmp_path / "out")
    assert document["counts"]["leak"] == 1
    assert document["unreadable"][0]["path"] == "train/slate/notes.txt"
    assert document["labels"]["skipped"] == "Labels were not checked (--no-labels)."


@pytest.mark.torch
def test_findings_fail_only_with_fail_on(photos: Path, tmp_path: Path) -> None:
    result = podium("audit", photos, "--out", tmp_path / "out", "--fail-on", "conflict,near_duplicate")
    assert result.exit_code == 0
    fatal = ("--fail-on", "leak,corrupt")
    assert "1 leak, 1 corrupt" in refused("audit", photos, "--out", tmp_path / "out", *fatal, exit_code=EXIT_FAILED)


def test_an_unknown_finding_is_a_wrong_value() -> None:
    assert "near_duplicate" in refused("audit", "photos", "--fail-on", "leaks")


@pytest.mark.torch
def test_a_folder_that_is_not_there_is_a_wrong_value(tmp_path: Path) -> None:
    assert "nowhere is no folder" in refused("audit", tmp_path / "nowhere", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--fail-on", "leak,label"), "no label is checked without weights"),
        (("--fail-on", "label", "--no-labels"), "no label is checked without weights"),
        (("--model", "resnet18"), "checks labels only with weights"),
        (("--pretrained", "hub", "--no-labels"), "exclude each other"),
    ],
)
def test_a_check_of_labels_that_cannot_be_is_a_wrong_usage(words: tuple[str, ...], sentence: str) -> None:
    assert sentence in refused("audit", "photos", *words)


@pytest.mark.torch
def test_labels_that_could_not_be_checked_fail_with_fail_on(photos: Path, tmp_path: Path) -> None:
    import timm
    from safetensors.torch import save_file

    save_file(timm.create_model("test_resnet", num_classes=2).state_dict(), tmp_path / "weights.safetensors")
    shutil.rmtree(photos / "test")
    weights = ("--pretrained", tmp_path / "weights.safetensors", "--model", "test_resnet")
    words = ("audit", photos / "train", *weights, "--out", tmp_path / "out", "--fail-on", "label")
    sentence = "no label was checked (--fail-on label). Labels can be checked only if"
    assert sentence in refused(*words, exit_code=EXIT_FAILED)


@pytest.mark.torch
def test_names_of_classes_are_shown_as_they_are(photos: Path, tmp_path: Path) -> None:
    for old, new in (("jade", "car [front]"), ("slate", "car [rear]")):
        (photos / "train" / old).rename(photos / "train" / new)
    printed = podium("audit", photos / "train", "--out", tmp_path / "out").stdout
    assert "car [front]" in printed
    assert "car [rear]" in printed
