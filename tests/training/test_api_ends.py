"""What a program gives to train, evaluate and predict is taken, or refused with a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import training
from training.errors import WrongInput

if TYPE_CHECKING:
    from training.run import Run


@pytest.mark.torch
def test_recipe_none_is_none_as_on_the_command_line(photos: Path, tmp_path: Path) -> None:
    run = training.train(
        photos, recipe="none", model="test_resnet", image_size=32, epochs=1, batch_size=4, threads=1, tensorboard=False,
        run=tmp_path / "run", cache_dir=tmp_path / "cache",
    )  # fmt: skip
    assert run.model.architecture == "test_resnet"
    assert "recipe: null" in (run.folder / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"recipe": ""}, "There is no recipe ''"),
        ({"recipe": 3}, "There is no recipe '3'"),
        ({"recipe": ["quick"]}, r"There is no recipe .* Did you mean 'quick'"),
        ({"file": 3}, "file = 3: give a path"),
        ({"file": ["mine.yaml"]}, r"file = \['mine.yaml'\]: give a path"),
        ({"file": "nowhere.yaml"}, "nowhere.yaml cannot be read"),
        ({"file": "a\0b"}, "file = 'a.x00b': give a path"),
        ({"model": 3}, "model = 3"),
        ({"model": None}, "model = None"),
        ({"epochs": 0}, "epochs = 0"),
        ({"epochs": [3]}, r"epochs = \[3\]"),
        ({"epochs": "three"}, "epochs = 'three'"),
        ({"seed": -1}, "seed = -1"),
        ({"seed": 1.5}, "seed = 1.5"),
        ({"lr": float("nan")}, "lr = nan"),
        ({"lr": [0.1]}, "lr = "),
        ({"model_args": "x"}, "model_args = 'x'"),
        ({"model_args": {1: 2}}, "model_args"),
        ({"pretrained": ""}, "pretrained = ''"),
        ({"pretrained": True}, "pretrained = True"),
        ({"run": ""}, "run = ''"),
        ({"run": "a\0b"}, "run = "),
        ({"split": ""}, "split = ''"),
        ({"on_note": "x"}, "on_note = 'x': give a function of one argument, as print"),
        ({"on_note": None}, "on_note = None: give a function"),
        ({"on_progress": 3}, "on_progress = 3: give a function"),
        ({"nonsense": 1}, "there is no setting 'nonsense'"),
    ],
)
def test_a_wrong_argument_of_a_training_is_named(given: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match=sentence):
        training.train(tmp_path, **{"run": tmp_path / "run", **given})


@pytest.mark.parametrize(
    "given", [{"pretrained": None}, {"pretrained": "none", "freeze": None, "class_weights": None, "file": "none"}]
)
def test_none_is_none_wherever_none_is_one_of_the_words(given: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match=f"^{tmp_path}/nowhere is no folder"):
        training.train(tmp_path / "nowhere", model="test_resnet", run=tmp_path / "run", **given)


@pytest.mark.parametrize("name", ["on_note", "on_progress"])
def test_a_resumed_training_wants_functions_too(name: str, tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match=f"{name} = 'x': give a function"):
        training.resume(tmp_path, **{name: "x"})  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [None, "", 3, ["photos"], b"photos"])
def test_data_that_is_no_place_is_refused(data: Any, tmp_path: Path) -> None:  # noqa: ANN401 - anything
    with pytest.raises(WrongInput, match=r"No data|is no folder"):
        training.train(data, model="test_resnet", run=tmp_path / "run")


@pytest.mark.torch
def test_a_run_folder_that_is_no_path_is_refused(tmp_path: Path) -> None:
    for wrong in (3, None, "", ["run"]):
        for verb in (training.resume, training.evaluate):
            with pytest.raises(WrongInput, match=r"run_folder = .*: give a path"):
                verb(wrong)  # type: ignore[arg-type]
        with pytest.raises(WrongInput, match=r"model = .*: give a path"):
            training.predict(wrong, [tmp_path])  # type: ignore[arg-type]


@pytest.mark.torch
def test_one_image_is_one_image_and_not_its_letters(photos: Path, finished: Run) -> None:
    photo = photos / "jade" / "000.png"
    for one in (photo, str(photo)):
        assert [answer.path for answer in training.predict(finished.folder, one)] == [str(photo)]


@pytest.mark.torch
@pytest.mark.parametrize("wrong", [None, 3, 1.5, b"a.jpg", True, [None], ["a.jpg", 3], "", [""], "a\0b"])
def test_images_that_are_no_paths_are_refused(wrong: Any, finished: Run) -> None:  # noqa: ANN401 - anything
    with pytest.raises(WrongInput, match=r"^images = .*: give a path"):
        training.predict(finished.folder, wrong)


@pytest.mark.torch
@pytest.mark.parametrize("wrong", [None, "3", 2.5, True, [1]])
def test_a_count_of_answers_that_is_no_whole_number_is_refused(wrong: Any, photos: Path, finished: Run) -> None:  # noqa: ANN401 - anything
    with pytest.raises(WrongInput, match=r"^top_k = .*: give a whole number \(at least 1\)"):
        training.predict(finished.folder, photos, top_k=wrong)


@pytest.mark.torch
def test_a_run_that_is_not_there_is_not_called_unfinished(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    for verb in (training.evaluate, training.resume):
        with pytest.raises(WrongInput, match=r"nowhere .*") as told:
            verb(nowhere)
        assert "finished run. Train" not in str(told.value)
    with pytest.raises(WrongInput, match=f"{nowhere} does not exist. Give the folder of a finished run"):
        training.evaluate(nowhere)


def test_a_program_is_not_told_of_a_command_line(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match=r"^training.train: there is no setting 'epoch'. Did you mean 'epochs'\?"):
        training.train(tmp_path, epoch=1)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("model", "example"),
    [
        ("hf-hub:timm/resnet18.a1_in1k", "model=resnet18.a1_in1k pretrained=hub"),
        ("hf_hub:timm/test_vit", "model=test_vit pretrained=hub"), ("timm/resnet18", "model=resnet18 pretrained=hub"),
        ("local-dir:/tmp/x", "model=resnet18"), ("https://example.com/w.pth", "model=resnet18"), ("./w.pth", "model=resnet18"),
    ],
)  # fmt: skip
def test_an_address_in_place_of_a_model_is_told_to_be_one(
    model: str, example: str, photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(WrongInput, match=r"is an address, and no model is fetched by one") as told:
        training.train(photos, model=model, run=tmp_path / "run")
    assert example in str(told.value)
