"""From words to settings: recipe < YAML file < command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.errors import WrongInput
from training.settings.config import TrainConfig
from training.settings.layering import layered
from training.settings.recipes import read_recipe, recipe_names
from training.settings.words import ALIASES, Words, sort_words


def settings(*words: str) -> TrainConfig:
    return layered(sort_words(words))


def test_the_command_line_wins_over_the_file_and_the_file_over_the_recipe(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("epochs: 7\nlr: 0.5\n")
    config = settings("quick", "photos", str(file), "lr=0.25")
    assert (config.lr, config.epochs, config.model) == (0.25, 7, "mobilenetv3_small_100")
    assert config.recipe == "quick"


@pytest.mark.parametrize("words", [["epochs=5"], ["--epochs", "5"], ["--epochs=5"]])
def test_a_setting_may_be_written_in_each_of_the_usual_ways(words: list[str]) -> None:
    assert settings("photos", *words).epochs == 5


def test_a_flag_without_a_value_is_true_and_does_not_swallow_the_next_setting() -> None:
    config = settings("photos", "--compile", "epochs=5")
    assert (config.compile, config.epochs) == (True, 5)


def test_a_yes_or_no_setting_takes_the_next_word_only_if_that_is_yes_or_no() -> None:
    config = settings("--compile", "photos")
    assert (config.compile, config.data) == (True, "photos")
    assert settings("--sync-bn", "quick", "photos").recipe == "quick"
    assert settings("photos", "--tensorboard", "no").tensorboard is False


def test_the_words_of_timm_and_ultralytics_are_understood() -> None:
    config = settings("photos", "--opt", "sgd", "--smoothing", "0", "imgsz=96", "--patience", "3", "--img-size", "64")
    assert (config.optimizer, config.label_smoothing, config.image_size, config.early_stopping) == ("sgd", 0, 64, 3)
    assert set(ALIASES.values()) <= set(TrainConfig.model_fields)
    assert not set(ALIASES) & set(TrainConfig.model_fields)


def test_numbers_in_every_notation_are_numbers() -> None:
    assert settings("photos", "lr=1e-3").lr == 0.001


@pytest.mark.parametrize(
    "name",
    ["my run #2", "#1", "@x", "*x", "[x", "{x", "10", "on", "~x", "2024-01-01", "a: b", "x=1", "'", "a'b", "!x", " x "],
)
def test_a_path_or_a_name_is_taken_as_it_is_typed(name: str) -> None:
    for words in ([f"run={name}"], [f"--run={name}"], ["--run", f"./{name}"]):
        assert settings("photos", *words).run == Path(name if len(words) == 1 else f"./{name}")
    for setting in ("pretrained", "cache_dir", "split", "exclude"):
        assert str(getattr(settings("photos", f"{setting}={name}"), setting)) == name


def test_a_tilde_alone_is_the_home_folder() -> None:
    assert settings("photos", "run=~").run == Path.home()
    assert settings("data=~", "cache_dir=~/x").cache_dir == Path.home() / "x"


def test_quotes_that_yaml_would_want_around_a_name_are_no_part_of_it() -> None:
    assert [settings("photos", f"run={name}").run for name in ('"x"', "'x y'", "'10'")] == [
        Path("x"), Path("x y"), Path("10"),
    ]  # fmt: skip
    assert settings("photos", "run='a' and 'b'").run == Path("'a' and 'b'")


def test_one_of_several_words_is_taken_as_it_is_typed_too() -> None:
    with pytest.raises(WrongInput, match=r"^pool = '#avg': give avg, max, "):
        settings("photos", "pool=#avg")
    assert settings("photos", "device=[cpu").device == "[cpu", "which choose_device refuses"


def test_a_path_may_have_an_equals_sign_in_it() -> None:
    assert settings("photos/year=2024").data == "photos/year=2024"
    assert settings("photos", "--run", "out/lr=0.1").run == Path("out/lr=0.1")


def test_a_short_option_of_timm_is_understood() -> None:
    config = settings("photos", "-b", "16", "-j", "0")
    assert (config.batch_size, config.workers) == (16, 0)


def test_the_name_of_a_new_run_folder_fits_on_a_disk() -> None:
    for data, model in (("p" * 255, "resnet18"), ("\N{PILE OF POO}" * 63, "x" * 200), ("photos", "hf-hub:a/b")):
        run = settings(f"data={data}", f"model={model}").run
        assert len(str(run.name).encode()) <= 255
        assert run.parent == Path("runs")


@pytest.mark.parametrize(
    "name", ["model", "run", "recipe", "pretrained", "data", "freeze", "optimizer", "rand_augment", "device"]
)
def test_a_name_of_half_a_million_letters_is_refused_in_a_short_sentence(name: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"{name}: {'x' * 500_000}\n")
    with pytest.raises(WrongInput, match=f"{name} = 'xxx|There is no recipe 'xxx") as refused:
        layered(sort_words([str(path), *(["photos"] if name != "data" else [])]))
    assert len(str(refused.value)) < 500


def test_none_unsets_what_may_be_unset_and_is_a_word_elsewhere() -> None:
    config = settings("mobilenetv2", "photos", "ema_decay=none", "pretrained=none", "class_weights=none")
    assert (config.ema_decay, config.pretrained, config.class_weights) == (None, "none", "none")


def test_a_file_may_name_the_recipe_that_it_begins_with(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("recipe: edge\ndata: photos\nrun: there\n")
    config = settings(str(file))
    assert (config.model, config.data, config.run) == ("mobilenetv3_small_075.lamb_in1k", "photos", Path("there"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["photos", "epoch=5"], "there is no setting 'epoch'. Did you mean 'epochs'?"),
        (["photos", "--lerning-rate", "1"], "there is no setting 'lerning-rate'"),
        (["photos", "epochs=0"], "epochs = 0: give a whole number (at least 1) or auto."),
        (["photos", "schedule=linear"], "schedule = 'linear': give cosine, onecycle, step, plateau or constant."),
        (["photos", "other"], "'photos' and 'other' are both taken for the data"),
        (["quick", "edge", "photos"], "'quick' and 'edge' are both taken for the recipe"),
        (["epochs=5"], "No data: give a folder"),
        (["photos", "=5"], "sets nothing"),
        (["photos", "model_args={"], "cannot be read as a YAML value"),
        (["photos", "recipe=quik"], "There is no recipe 'quik'. Did you mean 'quick'?"),
        (["photos", "freeze=head"], "use none, body, norm, or stages:K"),
        (["photos", "fold=5", "folds=5"], "fold = 5 needs folds > 5"),
        (["photos", "test_share=0.9"], "leave nothing to train on"),
        (["nowhere.yaml", "photos"], "nowhere.yaml cannot be read as YAML"),
        (
            ["photos", "pretrained=none", "epochs=2", "freeze_epochs=2"],
            "freeze_epochs = 2 leaves none of epochs = 2 in which the body learns",
        ),
        (["qick", "photos"], "there is no recipe 'qick'. Did you mean 'quick', as in `podium train quick photos`?"),
        (["photos", "mobilnetv2"], "there is no recipe 'mobilnetv2'. Did you mean 'mobilenetv2'"),
        (["balance"], "there is no folder 'balance', and no recipe of that name. Did you mean 'balanced'?"),
        (["photos", "--epochs"], "--epochs needs a value: a whole number (at least 1) or auto."),
        (["photos", "--epochs", "--lr", "0.1"], "--epochs needs a value"),
        (["photos", "--model", "epochs=1"], "--model needs a value"),
        (["photos", "-x"], "there is no option '-x'. Settings are written as epochs=5"),
        (["photos", "-"], "there is no option '-'"),
        (
            ["photos", "resnet18"],
            "'photos' and 'resnet18' are both taken for the data. Give one; settings are written as epochs=5. A model is named so: model=resnet18.",
        ),
        (["photos", "resnet50"], "A model is named so: model=resnet50."),
        (["photos", "num_classes=5"], "there is no setting 'num_classes': the data says which classes there are."),
        (["photos", "--nc", "5"], "the data says which classes there are"),
        (["photos", "learning_rate=1"], "there is no setting 'learning_rate'. Did you mean 'lr'?"),
        (["photos", "nonsense=[x"], "there is no setting 'nonsense'."),
        (["photos", "run= "], "run= has no value"),
        (["photos", "fold=2"], "fold = 2 is one of several folds. Say how many there are, as folds=5."),
        (["photos", "--img-size"], "--img-size needs a value: a whole number (at least 16 and at most 1024)."),
        (["photos", "epochs="], "epochs= has no value"),
        (["photos", "epochs=yes"], "epochs = True: give a whole number (at least 1) or auto."),
        (["photos", "lr=nan"], "lr = 'nan': give a number (above 0) or auto."),
        (["photos", "lr=.nan"], "lr = nan: give a number (above 0) or auto."),
        (["photos", "hours=.inf"], "hours = inf: give a number (above 0 and at most 10000) or none."),
        (["photos", "dropout=1"], "dropout = 1: give a number (at least 0 and under 1) or none."),
        (["photos", "model_args=3"], "model_args = 3: give settings in braces"),
        (["photos", "claim=3"], "claim = 3: give none."),
        (["photos", "epochs=2", "mix_off_epochs=2"], "mix_off_epochs = 2 leaves none of epochs = 2 before them"),
        (["photos", "pretrained=none", "epochs=2", "augment_off_epochs=3"], "augment_off_epochs = 3 leaves none of"),
        (["photos", "pretrained=none", "epochs=2", "warmup_epochs=2"], "warmup_epochs = 2 leaves none of epochs = 2"),
        (
            ["cnn", "photos", "model_args={drop_rate: 0.3}"],
            "dropout = 0.5 and model_args' drop_rate = 0.3 are the same",
        ),
        (
            ["photos", "pretrained=none", "model_args={drop_rate: 0.3}", "dropout=0"],
            "are the same thing. Leave drop_rate out.",
        ),
    ],
)
def test_a_word_that_cannot_be_ends_in_a_sentence(words: list[str], sentence: str) -> None:
    with pytest.raises(WrongInput) as caught:
        settings(*words)
    assert sentence in str(caught.value)


def test_if_nothing_names_a_beginning_it_is_the_balanced_recipe_with_a_note() -> None:
    notes: list[str] = []
    for words in (["photos"], ["photos", "epochs=5", "--groups", "groups.csv"]):
        config = layered(sort_words(words), on_note=notes.append)
        assert (config.recipe, config.pretrained) == ("balanced", "hub")
        assert config.model == "mobilenetv4_conv_medium.e500_r256_in1k"
        assert config.run.name.startswith("photos-balanced-")
    assert notes == 2 * ["recipe = balanced (none was named; `podium recipes` lists them)"]


@pytest.mark.parametrize(
    ("words", "recipe"),
    [
        (["mine.yaml"], None),
        (["quick"], "quick"),
        (["recipe=quick"], "quick"),
        (["recipe=none"], None),
        (["model=resnet18"], None),
        (["--pretrained", "none"], None),
    ],
)
def test_if_something_names_a_beginning_no_recipe_is_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], recipe: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("epochs: 3\n")
    notes: list[str] = []
    assert layered(sort_words(["photos", *words]), on_note=notes.append).recipe == recipe
    assert not notes


def test_a_run_folder_of_its_own_is_named_after_data_and_recipe() -> None:
    assert settings("quick", "/somewhere/balls").run.name.startswith("balls-quick-")
    assert settings("s3://bucket/balls/").run.name.startswith("balls-")


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_settings_that_there_are(name: str) -> None:
    config = layered(Words(data="photos", recipe=name))
    recipe = read_recipe(name)
    assert recipe.about.endswith(".")
    assert config.claim == recipe.claim


def test_the_recipes_of_the_reports_are_there_under_their_names() -> None:
    assert {
        "dlami-resnet50", "dlami-efficientnet-b0", "balls-resnet26d-max-adam", "balls-resnet26d-avg-sgd", "dogs-resnet50",
        "cifar10-cnn", "cifar10-cnn-augmented", "mobilenetv2", "cnn", "quick", "balanced", "best", "edge", "cifar10-fast",
    } == set(recipe_names())  # fmt: skip


def test_the_figures_that_the_reports_claim_are_in_their_recipes() -> None:
    claims = {name: claim.value for name in recipe_names() if (claim := read_recipe(name).claim)}
    assert claims == {"balls-resnet26d-max-adam": 0.73, "balls-resnet26d-avg-sgd": 0.87, "cifar10-cnn-augmented": 0.9}


def test_the_learning_rate_of_the_search_is_kept_to_its_last_digit() -> None:
    assert settings("dogs-resnet50", "photos").lr == 0.004030880500753202


def test_a_warmup_that_nobody_set_leaves_half_of_a_single_epoch() -> None:
    plain = ("photos", "pretrained=none", "epochs=1")
    assert settings(*plain).warmup_epochs == 0.5
    assert settings(*plain, "schedule=onecycle").warmup_epochs == 1
    assert settings(*plain, "freeze=body", "freeze_epochs=1").freeze_epochs == 1


def test_frozen_epochs_of_a_recipe_leave_one_in_which_the_body_learns() -> None:
    assert settings("quick", "photos", "epochs=1").freeze_epochs == 0
    assert settings("dlami-resnet50", "photos", "epochs=3").freeze_epochs == 1, "of 15, 5 are frozen"


def test_a_recipe_that_ends_its_mixing_early_still_mixes_if_epochs_are_fewer() -> None:
    assert settings("balanced", "photos").mix_off_epochs == 4, "of 20"
    assert settings("balanced", "photos", "epochs=5").mix_off_epochs == 1
    assert settings("balanced", "photos", "epochs=1").mix_off_epochs == 0
    assert settings("balanced", "photos", "epochs=5", "mix_off_epochs=3").mix_off_epochs == 3


def test_random_weights_are_held_back_only_if_a_person_says_so() -> None:
    scratch = settings("dlami-resnet50", "photos", "pretrained=none")
    assert (scratch.freeze, scratch.freeze_epochs, scratch.body_lr_scale) == ("none", 0, 1.0)
    assert settings("balanced", "photos", "pretrained=none").layer_decay is None
    own = settings("dlami-resnet50", "photos", "pretrained=none", "freeze=norm", "freeze_epochs=2")
    assert (own.freeze, own.freeze_epochs) == ("norm", 2)
    assert settings("dlami-resnet50", "photos").freeze_epochs == 5


def test_a_home_folder_is_found_even_if_no_shell_has_seen_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("data: ~/photos\nsplit: ~/split.csv\n")
    home = Path.home()
    config = settings(str(file), "run=~/run", "cache_dir=~/cache", "pretrained=~/weights.safetensors")
    assert (config.data, config.run, config.split) == (str(home / "photos"), home / "run", home / "split.csv")
    assert (config.cache_dir, config.pretrained) == (home / "cache", str(home / "weights.safetensors"))
    assert settings("photos", "groups=~/g.csv", "exclude=~nobody/x").groups == home / "g.csv"
    assert settings("s3://bucket/~/photos").data == "s3://bucket/~/photos"
    assert layered(Words(data="~")).run.name.startswith(home.name)


def test_a_claim_is_about_the_recipes_own_model() -> None:
    assert settings("balls-resnet26d-max-adam", "photos", "epochs=2").claim is not None
    assert settings("balls-resnet26d-max-adam", "photos", "model=resnet18").claim is None


def test_dropout_is_one_setting_also_for_a_network_from_scratch() -> None:
    assert settings("cnn", "photos").dropout == 0.5
    assert settings("cnn", "photos", "dropout=0.2").dropout == 0.2
    assert not [name for name in recipe_names() if "drop_rate" in read_recipe(name).settings.get("model_args", {})]
