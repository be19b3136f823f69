"""Whatever a record and its weights say, they make a network that answers, or a sentence; memory is taken only for what fits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.archive.digest import file_sha256
from inference.archive.documents import Document
from inference.archive.errors import ModelRefused
from inference.archive.model_file import ModelFile, model_of
from tests.model_server.archives import PREPROCESSING, model_document, tiny_network, write_model

pytestmark = pytest.mark.torch

ROOT = Path(__file__).parents[3]
TINY: dict[str, Any] = {"widths": [4], "repeats": 1, "dense": [], "img_size": 16}
VALUES = st.sampled_from([
    None, True, 0, -1, 1, 2, 3, 5, 16, 64, 16_384, 0.5, 1e6, -1e-9, "", "gelu", "avg", [], [0], [-1], [4, 4], [16_384] * 9,
    [[4]], {"eps": 1e-5}, {}, [True], ["gelu"], [None],
])  # fmt: skip
NAMES = st.sampled_from([
    *TINY, "drop_rate", "in_chans", "num_classes", "global_pool", "act_layer", "norm_layer", "width", "depths", "embed_dim",
    "patch_size", "channels", "layers", "scriptable",
])  # fmt: skip


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import inference.networks  # noqa: F401 - makes plain_cnn known to timm

    folder = tmp_path_factory.mktemp("tiny")
    small = PREPROCESSING | {"input_size": [3, 16, 16]}
    network = tiny_network("plain_cnn", **TINY)
    return write_model(folder, network, architecture="plain_cnn", model_args=TINY, preprocessing=small)


def outcome(folder: Path, model: ModelFile) -> str:
    """`answers`, or why there is no network; anything else is a fault of ours."""
    from inference.engines.network import check_answer, network_with

    sentence = "answers"
    try:
        check_answer(network_with(folder / model.weights_file, model), model)
    except ModelRefused as refused:
        sentence = str(refused)
    assert sentence.isprintable()
    assert len(sentence) < 600
    return sentence


def record(folder: Path, **changed: object) -> ModelFile:
    document = json.loads((folder / "model.json").read_text())
    return model_of(Document.parsed(json.dumps(document | changed).encode(), "model.json"))


@settings(max_examples=150)
@given(
    architecture=st.sampled_from(
        ["plain_cnn", "test_resnet", "test_vit", "resnet10t", "plain_cnn.untrained", "no_such"]
    ),
    arguments=st.dictionaries(NAMES, VALUES, max_size=3),
    keep=st.booleans(),
)
def test_any_arguments_of_any_network(tiny: Path, architecture: str, arguments: dict[str, object], keep: bool) -> None:
    try:
        model = record(tiny, architecture=architecture, model_args=(TINY if keep else {}) | arguments)
    except ModelRefused:
        return
    if outcome(tiny, model) == "answers":
        assert architecture.startswith("plain_cnn")


@settings(max_examples=100)
@given(
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=9)), max_size=3),
    cut=st.floats(0, 1),
)
def test_any_bytes_of_weights(tiny: Path, changes: list[tuple[float, bytes]], cut: float) -> None:
    """Whoever changes them changes their digest, too."""
    weights = bytearray((tiny / "model.safetensors").read_bytes())
    header = 8 + int.from_bytes(weights[:8], "little")
    for where, piece in changes:
        at = int(where * header)
        weights[at : at + len(piece)] = piece
    changed = tiny / "changed.safetensors"
    changed.write_bytes(weights if cut > 0.5 else weights[: int(cut * len(weights))])
    outcome(tiny, record(tiny, weights={"file": changed.name, "sha256": file_sha256(changed)}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tensors: tensors.pop("fc.bias"), "1 of 8 tensors are missing, as fc.bias"),
        (lambda tensors: tensors.update(more=tensors["fc.bias"]), "1 of 9 tensors are not the network's, as 'more'"),
        (lambda tensors: tensors.update({"fc.bias": tensors["fc.bias"].half()}), "fc.bias is float16 (4,), and the network has float32 (4,)"),
        (lambda tensors: tensors.update({"fc.bias": tensors["fc.bias"][None]}), "fc.bias is float32 (1, 4), and the network has float32 (4,)"),
    ],
    ids=["missing", "more", "another type", "another shape"],
)  # fmt: skip
def test_the_header_of_the_weights_says_what_does_not_fit(tiny: Path, change: Any, words: str) -> None:  # noqa: ANN401
    from safetensors.torch import load_file, save_file

    tensors = load_file(tiny / "model.safetensors")
    change(tensors)
    changed = tiny / "changed.safetensors"
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, changed)
    sentence = outcome(tiny, record(tiny, weights={"file": changed.name, "sha256": file_sha256(changed)}))
    assert sentence == f"The weights do not make a plain_cnn with 4 classes: {words}. Package the model again."


def test_a_file_that_is_larger_than_the_network_is_refused_before_it_is_read(tiny: Path) -> None:
    large = tiny / "large.safetensors"
    with large.open("wb") as opened:
        opened.truncate(2**40)  # sparse: it would take an hour to read
    try:
        sentence = outcome(tiny, record(tiny, weights={"file": large.name, "sha256": "0" * 64}))
    finally:
        large.unlink()
    assert "large.safetensors has 1,099,511,627,776 bytes, and they need" in sentence


def test_tied_weights_that_a_file_holds_once_are_a_whole_network(tmp_path: Path) -> None:
    import torch

    from inference.engines.weights import check_weights

    network = torch.nn.Sequential(torch.nn.Linear(3, 3, bias=False), torch.nn.Linear(3, 3, bias=False))
    network[1].weight = network[0].weight
    write_model(tmp_path, network)
    check_weights(tmp_path / "model.safetensors", network, record(tmp_path))


LOADS = """
import resource, sys
from pathlib import Path
from inference.archive.errors import ModelRefused
from inference.archive.model_file import read_model_file
from inference.engines.network import outline
outline(read_model_file(Path(sys.argv[1])))  # imports and first allocations
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
from inference.engines.network import network_with
for folder in map(Path, sys.argv[2:]):
    try:
        network_with(folder / "model.safetensors", read_model_file(folder))
    except ModelRefused as refused:
        print(refused)
"""


def test_networks_of_gigabytes_are_refused_in_256_megabytes(tiny: Path, tmp_path: Path) -> None:
    """Their weights are those of a small network: 17 GB of a dense layer, 14 GB of positions that no file holds."""
    folders = [tiny]
    for name, architecture, arguments in (
        ("dense", "plain_cnn", TINY | {"dense": [16_384, 16_384, 16_384]}),
        ("window", "swinv2_cr_tiny_224", {"img_size": 1024, "window_size": 128}),
    ):
        weights = (tiny / "model.safetensors").read_bytes()
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(weights)
        document = model_document(file_sha256(weights), architecture=architecture, model_args=arguments)
        (tmp_path / name / "model.json").write_text(json.dumps(document))
        folders.append(tmp_path / name)
    command = [sys.executable, "-c", LOADS, *map(str, [tiny, *folders[1:]])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("The weights do not make a") + done.stdout.count("GiB beside its weights") == 2, (
        done.stdout
    )


def test_a_record_with_a_name_that_timm_has_replaced_makes_its_network_quietly(tiny: Path) -> None:
    from inference.engines.network import outline

    assert sum(1 for _ in outline(record(tiny, architecture="tv_resnet34", model_args={})).parameters()) == 110


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"output_stride": 7}, "model_args do not fit resnet18: with output_stride = 7 it cannot be made."),
        (
            {"stem_width": 32, "output_stride": 7},
            "model_args do not fit resnet18: with output_stride = 7 it cannot be made.",
        ),
        (
            {"output_stride": 7, "no_such": 1},
            "model_args do not fit resnet18: with {'output_stride': 7, 'no_such': 1} it cannot be made.",
        ),
    ],
)
def test_the_argument_that_does_not_fit_is_named_without_a_librarys_words(
    tiny: Path, arguments: dict[str, Any], words: str
) -> None:
    from inference.engines.network import outline

    with pytest.raises(ModelRefused) as refused:
        outline(record(tiny, architecture="resnet18", model_args=arguments))
    assert refused.value.problem == words


def test_layers_without_a_number_are_refused_without_a_warning(tiny: Path) -> None:
    assert outcome(tiny, record(tiny, model_args=TINY | {"widths": [0]})).startswith(
        "model_args do not fit plain_cnn: with widths = [0] it cannot be made"
    )
