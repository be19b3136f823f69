"""YAML that may come from a stranger costs no memory, no time and no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from training.errors import WrongInput
from training.settings.bounded_yaml import DEEPEST, LARGEST_BYTES, MOST_VALUES, WrongYaml, bounded
from training.settings.config import read_config, read_yaml
from training.settings.layering import layered
from training.settings.words import sort_words

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 10)
)
MERGED = "a0: &a0 {k0: 1}\n" + "".join(
    f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 10)}], k{level}: 1}}\n" for level in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (LAUGHS, f"it stands for more than {MOST_VALUES:,} values"),
        (MERGED, f"it stands for more than {MOST_VALUES:,} values"),
        ("[" + "x, " * MOST_VALUES + "x]", f"more than {MOST_VALUES:,} values"),
        ("a: &a [*a]", r"the alias \*a stands for nothing, or for itself"),
        ("a: *b", r"the alias \*b stands for nothing"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), f"more than {DEEPEST} deep"),
        ("[" * 100_000, f"more than {DEEPEST} deep"),
        ("- " * 100_000 + "x", f"more than {DEEPEST} deep"),
        ("{a: " * 100_000, f"more than {DEEPEST} deep"),
        ("x" * (LARGEST_BYTES + 1), "it has more than 1,000 kB"),
        ("epochs: " + "9" * 5000, "line 1: a number of 5,000 digits is none"),
        ("epochs: " + "9" * 100_000, "a number of 100,000 digits is none"),
        ("epochs: 1:30", "1:30 is no plain number.*in quotes"),
        ("lr: 1:30.5", r"1:30\.5 is no plain number"),
        ("epochs: 0x10", "0x10 is no plain number"),
        ("epochs: 0b11", "0b11 is no plain number"),
        ("seed: -010", "-010 is no plain number"),
        ("epochs: 3\nrun: 2026-13-99", "line 2: 2026-13-99 is a date.*in quotes if it is a name"),
        ("run: 2026-11-30", "line 1: 2026-11-30 is a date.*in quotes if it is a name"),
        ("run: 2026-11-30T10:00:00Z", "line 1: 2026-11-30T10:00:00Z is a date"),
        ("a: !!timestamp x", "line 1: !!timestamp asks for more than plain values"),
        ("a: !!bool x", "line 1: !!bool asks for more than plain values"),
        ("a: !!int +", "line 1: !!int asks for more than plain values"),
        ("a: !!set {x}", "line 1: !!set asks for more than plain values"),
        ("a: !!binary aGk=", "line 1: !!binary asks for more than plain values"),
        ("epochs: 3\n---\nepochs: 5", "line 2: a second document begins here"),
        ("epochs: 3\nlr: 0.1\nepochs: 5", "line 3: 'epochs' is set twice"),
        ("model_args: {drop_rate: 0.1, drop_rate: 0.2}", "line 1: 'drop_rate' is set twice"),
        ("model_args:\n  depth: 1\n  drop_rate: 0.1\n  depth: 2", "line 4: 'depth' is set twice"),
        ("!!python/object/apply:os.system ['true']", "asks for more than plain values"),
        ("a: !mine 3", "!mine asks for more than plain values"),
        ("a: [", "expected the node content"),
        ("a\x00b: 1", r"it has the character U\+0000, .* as text in UTF-8"),
        ("a: \ud800", r"it has the character U\+D800"),
        (b"\xff\xfe\x00", "it is no text in UTF-16-LE. Save it anew, as text in UTF-8"),
        (b"a: \xe9", "it is no text in UTF-8. Save it anew"),
        (b"a: caf\xe9 # and more", "it is no text in UTF-8. Save it anew"),
        ("{[1]: 2}", "line 1: a name belongs before the colon"),
        ("a: 1\n? {b: 1}\n: 2", "line 2: a name belongs before the colon"),
    ],
)
def test_what_no_settings_file_needs_is_refused(text: str | bytes, sentence: str) -> None:
    with pytest.raises(WrongYaml, match=sentence):
        bounded(text)


@pytest.mark.parametrize(
    "text",
    [
        "epochs: 3\n",
        "defaults: &some {lr: 0.1}\nmine: {<<: *some, lr: 0.2}\n",
        "a: &a [1, 2]\nb: *a\nc: *a\n",
        "a: &a 3\nb: *a\n",
        "a: 0\nb: -3\nc: +4\nd: 1_000\ne: 1.5e-3\nf: .inf\ng: '0x10'\n",
        "",
        "# nothing\n",
        "\ufeffepochs: 3\n",
        b"\xef\xbb\xbfepochs: 3\n",
        "epochs: 3\n".encode("utf-16"),
        "---\na: !!str 010\nb: ! x\nc: '2026-11-30'\n...\n",
    ],
)
def test_what_people_write_is_read_as_yamls_own_loader_reads_it(text: str | bytes) -> None:
    assert bounded(text) == yaml.safe_load(text)


def test_an_equals_sign_and_a_merge_mark_are_words_where_a_value_stands() -> None:
    assert bounded("a: =\nb: <<") == {"a": "=", "b": "<<"}


def test_a_setting_that_a_file_sets_by_two_of_its_names_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("batch: 8\nbatch_size: 16\n")
    with pytest.raises(WrongInput, match=r"mine.yaml: batch_size is set twice, the second time as batch_size"):
        layered(sort_words(["photos", str(path)]))


@pytest.mark.parametrize("name", ["run", "data", "split", "cache_dir", "pretrained", "groups"])
@pytest.mark.parametrize("value", ["10", "on", "1.5", "no"])
def test_a_number_or_a_truth_value_in_place_of_a_path_is_told_to_be_put_in_quotes(
    tmp_path: Path, name: str, value: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"{name}: {value}\n")
    words = [str(path)] if name == "data" else ["photos", str(path)]
    why = r" \(YAML takes on, off, yes and no for true and false\)" if value in ("on", "no") else ""
    with pytest.raises(
        WrongInput, match=rf"^{name} = .*: give .*path.*, in quotes if it is a name{why}\.$|s3.*in quotes"
    ):
        layered(sort_words(words))
    path.write_text(f"{name}: '{value}'\n")
    assert str(getattr(layered(sort_words(words)), name)) == value


def test_a_number_in_place_of_one_of_several_words_is_not_told_so(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    for line in ("device: 0", "freeze: on", "pool: no", "epochs: on", "compile: 3"):
        path.write_text(line + "\n")
        with pytest.raises(WrongInput) as refused:
            layered(sort_words(["photos", str(path)]))
        assert "quotes" not in str(refused.value)


def test_a_settings_file_a_run_folder_and_a_typed_value_are_read_so(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(LAUGHS)
    for read in (read_yaml, read_config):
        with pytest.raises(WrongInput, match=r"mine\.yaml cannot be read as YAML: it stands for more than"):
            read(path)
    with pytest.raises(WrongInput, match="cannot be read as YAML"):
        layered(sort_words(["photos", str(path)]))
    with pytest.raises(WrongInput, match=r"model_args = .* cannot be read as a YAML value: the alias") as refused:
        sort_words(["photos", f"model_args={{a: &a [*a], b: {'x' * 10_000}}}"])
    assert len(str(refused.value)) < 500
    path.write_bytes(b"epochs: 3 # caf\xe9\n")
    with pytest.raises(WrongInput, match="cannot be read as YAML"):
        read_yaml(path)
    with pytest.raises(WrongInput, match=r"cannot be read as YAML: .*directory"):
        read_yaml(tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        {"pretrained": True}, {"pretrained_cfg": {"url": "https://example.com/w.pth"}}, {"pretrained_cfg_overlay": {}},
        {"pretrained_strict": False}, {"checkpoint_path": "w.pth"}, {"cache_dir": "/tmp/x"}, {"act_layer": "https://x.y/z"},
        {"act_layer": "hf-hub:timm/resnet18"}, {"act_layer": "local-dir:/x"}, {"features_only": True},
    ],
)  # fmt: skip
def test_model_args_of_a_recipe_load_nothing(arguments: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"model": "resnet18", "model_args": arguments}))
    name = next(iter(arguments))
    with pytest.raises(WrongInput, match=f"model_args: {name}"):
        layered(sort_words(["photos", str(path)]))
    with pytest.raises(WrongInput, match=f"model_args: {name}"):
        layered(sort_words(["photos", "model=resnet18", f"model_args={arguments}"]))


def test_a_recipe_that_is_typed_away_leaves_nothing_of_itself(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("recipe: quick\nlr: 0.01\n")
    assert layered(sort_words(["photos", str(path)])).image_size == 128
    config = layered(sort_words(["photos", str(path), "recipe=none"]))
    assert (config.recipe, config.lr, config.image_size, config.pretrained) == (None, 0.01, 224, "none")
