"""YAML that may come from a stranger costs no memory, no time and no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from training.errors import WrongInput
from training.settings.bounded_yaml import DEEPEST, LARGEST_BYTES, MOST_VALUES, WrongYaml, bounded
from training.settings.config import read_config, read_yaml
from training.settings.layering import layered, sort_words

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
        ("when: 2026-13-99", "a value is out of range"),
        ("epochs: 3\nlr: 0.1\nepochs: 5", "'epochs' is set twice"),
        ("model_args: {drop_rate: 0.1, drop_rate: 0.2}", "'drop_rate' is set twice"),
        ("!!python/object/apply:os.system ['true']", "asks for more than plain values"),
        ("a: !mine 3", "!mine asks for more than plain values"),
        ("a: [", "expected the node content"),
        ("a\x00b: 1", "special characters are not allowed"),
        (b"\xff\xfe\x00", "truncated data"),
        (b"a: \xe9", "invalid continuation byte|unexpected end of data"),
        ("{[1]: 2}", "unhashable key"),
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
    ],
)
def test_what_people_write_is_read_as_yamls_own_loader_reads_it(text: str | bytes) -> None:
    assert bounded(text) == yaml.safe_load(text)


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
