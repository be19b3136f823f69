"""The model card is made of facts alone: the same run gives the same text, and no text of a person can break it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.training.report.folders import made_run
from training.errors import TrainingError
from training.model.provenance import Pretrained, write_pretrained

pytestmark = pytest.mark.torch


def card_of(run: Path) -> str:
    from training.report.model_card import write_card

    path = write_card(run)
    assert path == run / "MODEL_CARD.md"
    return path.read_text(encoding="utf-8")


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    assert card_of(run) == card_of(run)


def test_no_folder_of_a_machine_is_named(tmp_path: Path) -> None:
    assert str(tmp_path) not in card_of(made_run(tmp_path))


def test_the_front_matter_is_what_hugging_face_reads(tmp_path: Path) -> None:
    run = made_run(tmp_path, config={"pretrained": "hub"})
    _, front, _ = card_of(run).split("---\n", 2)
    read = yaml.safe_load(front)
    assert read["library_name"] == "timm"
    assert read["license"] == "apache-2.0"
    assert read["base_model"] == "timm/resnet10t.c3_in1k"
    (result,) = read["model-index"][0]["results"]
    assert result["dataset"] == {"type": "imagefolder", "name": "photos", "split": "validation"}
    assert [metric["name"] for metric in result["metrics"]] == ["top-1", "top-3", "macro F1"]


def test_figures_have_intervals_and_say_whether_photos_were_held_out(tmp_path: Path) -> None:
    text = card_of(made_run(tmp_path))
    assert "| 12 validation photos | " in text
    assert (
        "The kept checkpoint (epoch 2, by top-1), the temperature and the uncertainty threshold were chosen on these"
        in text
    )
    assert "Weakest classes on the 12 validation photos: " in text
    assert "a photo of anything else gets one of these labels, too" in text
    assert "podium train run/config.yaml run=run-again" in text


@pytest.mark.parametrize(
    ("pretrained", "sentence"),
    [
        ("none", "Trained from scratch: no one else's weights are in it."),
        ("/somewhere/weights.safetensors", "a file, weights.safetensors, whose licence is not known to podium"),
    ],
)
def test_the_licence_of_the_first_weights_is_what_is_known_of_it(
    pretrained: str, sentence: str, tmp_path: Path
) -> None:
    text = card_of(made_run(tmp_path, config={"pretrained": pretrained}))
    assert sentence in text
    assert "/somewhere" not in text


def test_the_card_says_how_much_came_from_pretrained_weights(tmp_path: Path) -> None:
    run = made_run(tmp_path, config={"pretrained": "/somewhere/weights.safetensors"})
    assert "Began with" not in card_of(run)
    found = Pretrained(
        weights="/somewhere/weights.safetensors", sha256="ab" * 32, parameters=1200, loaded=1000,
        random=("conv1.weight",), left_out=("<script>.weight",), notes=(),
    )  # fmt: skip
    write_pretrained(run, found)
    text = card_of(run)
    assert (
        f"- Began with the pretrained weights `weights.safetensors` (sha256 `{'ab' * 32}`): only 1,000 of the body's 1,200"
        in text
    )
    assert "STILL RANDOM: 1 tensor, as conv1.weight" in text
    assert "<script" not in text
    assert "/somewhere" not in text


def test_a_damaged_record_of_pretrained_weights_is_named(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    (run / "pretrained.json").write_text("{")
    with pytest.raises(TrainingError, match=r"pretrained\.json is damaged"):
        card_of(run)


def test_a_strangers_words_stay_words(tmp_path: Path) -> None:
    labels = ("a|b", "<script>alert(1)</script>", "[x](http://evil)\n# Title", "`code`")
    text = card_of(made_run(tmp_path, classes=labels))
    assert "<script" not in text
    assert "\n# Title" not in text
    assert "| a\\|b | " in text
    assert "\\[x\\](http://evil) \\# Title" in text


def test_a_run_that_was_not_evaluated_says_so(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    (run / "evaluation" / "validation" / "evaluation.json").unlink()
    assert "Not evaluated yet." in card_of(run)


def test_figures_of_other_weights_are_left_out(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    model = run / "model.json"
    facts = json.loads(model.read_text())
    model.write_text(json.dumps(facts | {"weights": {**facts["weights"], "sha256": "1" * 64}}))
    assert "Not evaluated yet." in card_of(run)


def test_learnt_numbers_are_counted_without_batch_norms_statistics(tmp_path: Path) -> None:
    import timm

    from training.report.model_card import parameter_count

    network = timm.create_model("resnet10t", num_classes=3, channels=[8, 16, 24, 32], stem_width=8)
    learnt = sum(parameter.numel() for parameter in network.parameters())
    assert parameter_count(made_run(tmp_path) / "model.safetensors") == learnt


def test_machines_read_figures_of_validation_and_test_photos_alone(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    record = (run / "evaluation" / "validation" / "evaluation.json").read_text()
    for name, split in (("data-mine", "/somewhere/mine"), ("train", "train")):
        (run / "evaluation" / name).mkdir()
        given = record.replace('"split":"validation"', f'"split":"{split}"').replace('"learnt":0', '"learnt":7')
        (run / "evaluation" / name / "evaluation.json").write_text(given)
    text = card_of(run)
    _, front, rest = text.split("---\n", 2)
    (result,) = yaml.safe_load(front)["model-index"][0]["results"]
    assert result["dataset"]["split"] == "validation"
    assert "12 photos of mine: The model has learnt 7 of these 12 photos: the figures are too good." in rest
    (run / "evaluation" / "validation" / "evaluation.json").unlink()
    assert "model-index" not in card_of(run)


def test_the_card_of_a_run_with_a_photo_whose_name_is_no_text_can_be_written(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    split = run / "split.csv"
    split.write_bytes(split.read_bytes().replace(b"train/0.png", b"train/\xff.png"))
    assert "| amber | 1 | 4 |" in card_of(run)
