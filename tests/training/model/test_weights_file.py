"""A file of weights is read without running code of it; any other file is named for what it is."""

from __future__ import annotations

import argparse
import pickle
import random
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.training.model.networks import NARROW, begun, saved, weights_of
from training.errors import WrongInput

if TYPE_CHECKING:
    from torch import Tensor

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def narrow() -> dict[str, Tensor]:
    return weights_of("resnet10t", **NARROW)


def test_a_pipe_is_not_called_missing(tmp_path: Path) -> None:
    import os

    from training.model.weights_file import find_weights

    os.mkfifo(tmp_path / "w.pth")
    with pytest.raises(
        WrongInput, match=r"w\.pth: it is a pipe, a socket or a device, and no file\. Give none, hub, or"
    ):
        find_weights(str(tmp_path / "w.pth"))
    with pytest.raises(WrongInput, match=r"v\.pth: there is no such file\. Give none, hub, or"):
        find_weights(str(tmp_path / "v.pth"))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "is a pointer of Git LFS, .* `git lfs pull`"),
        (b"\n <!DOCTYPE html><html><body>404</body></html>", "is a web page"),
        (b"<HTML>", "is a web page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "is a server's message"),
        (b"\x89HDF\r\n\x1a\n" + bytes(40), "is a Keras file"),
        (b"\x1f\x8b\x08" + bytes(40), "is compressed by gzip"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "neither a safetensors file nor what torch.save wrote"),
        (b"\x05\x00", "neither a safetensors file"),
        (bytes(8) + b"{}", "is no whole safetensors file: its header is cut off, or damaged"),
        (b"\xff" * 8 + b"{}", "is no whole safetensors file: its header is cut off, or damaged"),
        (b"PK\x03\x04" + bytes(40), "is truncated or damaged"),
        (b"\x80\x02", "is truncated or damaged"),
    ],
)  # fmt: skip
def test_what_is_often_given_for_weights_is_called_by_its_name(content: bytes, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(WrongInput, match=sentence):
        begun(path, tmp_path)


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("nowhere.safetensors", "there is no such file"),
        ("https://example.com/weights.pth", "is an address. Download the file"),
        ("hf-hub:timm/resnet18.a1_in1k", "is an address"),
        ("local-dir:/models/resnet18", "is an address"),
        ("s3://bucket/weights.safetensors", "is an address"),
    ],
)
def test_a_place_that_is_no_file_here_is_refused(place: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match=sentence):
        begun(place, tmp_path)


def test_a_folder_stands_for_the_weights_in_it(narrow: dict[str, Tensor], tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match=r"is a folder without model\.safetensors"):
        begun(tmp_path, tmp_path)
    saved(narrow, tmp_path / "model.safetensors")
    assert begun(tmp_path, tmp_path)[1].name == "model.safetensors"


def test_a_truncated_file_says_how_much_of_it_is_there(narrow: dict[str, Tensor], tmp_path: Path) -> None:
    path = saved(narrow, tmp_path / "w.safetensors")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WrongInput, match=f": {len(whole) // 2:,} of {len(whole):,} bytes are there"):
        begun(path, tmp_path)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    "around",
    [
        lambda found: found,
        lambda found: {"epoch": 3, "state_dict": {f"module.{name}": it for name, it in found.items()}},
        lambda found: {"args": argparse.Namespace(lr=0.1), "state_dict": {}, "state_dict_ema": found, "arch": "resnet10t"},
        lambda found: {"pytorch-lightning_version": "2.4", "state_dict": {f"model.{name}": it for name, it in found.items()}},
        lambda found: {"model": {"backbone": found}, "optimizer": {"state": {0: {"step": next(iter(found.values()))}}}},
    ],
)  # fmt: skip
def test_what_trainers_save_by_torch_is_read(
    around: object, old: bool, narrow: dict[str, Tensor], tmp_path: Path
) -> None:
    import torch

    path = tmp_path / "w.safetensors"  # whatever its name
    torch.save(around(narrow), path, _use_new_zipfile_serialization=not old)  # type: ignore[operator]
    network, found = begun(path, tmp_path)
    assert found.random == ()
    assert torch.equal(network.state_dict()["layer1.0.conv1.weight"], narrow["layer1.0.conv1.weight"])


def test_a_file_that_would_run_code_is_refused_and_nobody_is_told_to_run_it(tmp_path: Path) -> None:
    import timm
    import torch

    path = tmp_path / "w.pth"
    for old in (False, True):
        torch.save(timm.create_model("test_resnet"), path, _use_new_zipfile_serialization=not old)
        with pytest.raises(WrongInput, match=r"holds more than weights.* Podium runs no code from a file") as refused:
            begun(path, tmp_path, model="test_resnet")
        assert "weights_only" not in str(refused.value)
        assert "save_file(model.state_dict()" in str(refused.value)


class Evil:
    """What a stranger's pickle would do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.mkdir, (str(self.path),)


def test_a_pickle_that_acts_when_it_is_read_does_not_act(narrow: dict[str, Tensor], tmp_path: Path) -> None:
    import torch

    torch.save({"state_dict": narrow, "callbacks": Evil(tmp_path / "made")}, tmp_path / "w.pth")
    with pytest.raises(WrongInput, match=r"holds more than weights \((posix|nt|os)\.mkdir\)"):
        begun(tmp_path / "w.pth", tmp_path)
    assert not (tmp_path / "made").exists()


def test_warnings_of_torch_about_a_file_do_not_reach_whoever_gives_it(
    narrow: dict[str, Tensor], tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    import torch

    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(Evil(tmp_path / "made"), protocol=4))
    with pytest.raises(WrongInput, match="holds more than weights"):
        begun(tmp_path / "evil.pkl", tmp_path)
    sparse = torch.eye(3).to_sparse()
    torch.save({**narrow, "more": sparse}, tmp_path / "sparse.pth")
    with pytest.raises(WrongInput):
        begun(tmp_path / "sparse.pth", tmp_path)
    assert not recwarn.list


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["model.json", "model.safetensors"], "is a packaged model. Take the weights out of it: unzip .* model.safetensors"),
        (["net/constants.pkl", "net/data.pkl"], "is a TorchScript program"),
        (["a.npy"], "is a zip file without weights of PyTorch"),
    ],
)  # fmt: skip
def test_other_zip_files_are_called_by_their_names(names: list[str], sentence: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as file:
        for name in names:
            file.writestr(name, "{}")
    with pytest.raises(WrongInput, match=sentence):
        begun(tmp_path / "w.zip", tmp_path)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {}])
def test_a_file_without_a_tensor_holds_no_weights(content: object, tmp_path: Path) -> None:
    import torch

    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(WrongInput, match="holds no weights"):
        begun(tmp_path / "w.pth", tmp_path)


def test_a_dictionary_that_holds_itself_ends(tmp_path: Path) -> None:
    import torch

    endless: dict[str, object] = {}
    endless["model"] = endless
    torch.save(endless, tmp_path / "w.pth")
    with pytest.raises(WrongInput, match="holds no weights"):
        begun(tmp_path / "w.pth", tmp_path)


@pytest.mark.filterwarnings("ignore")  # torch's own, over pickles of no version
@pytest.mark.parametrize("kind", ["safetensors", "zip", "pickle"])
def test_changed_bytes_end_in_weights_or_in_a_sentence(kind: str, tmp_path: Path) -> None:
    import torch

    from training.model.weights_file import read_weights

    path = tmp_path / "w"
    tensors = {f"layer.{number}.weight": torch.ones(number, 3) for number in range(1, 5)}
    if kind == "safetensors":
        saved(tensors, path)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=kind == "zip")
    whole, draw, sentences = path.read_bytes(), random.Random(7), []
    for _ in range(150):
        changed = bytearray(whole[: draw.choice([len(whole), draw.randrange(1, len(whole))])])
        for _ in range(draw.choice([1, 4, 20])):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        path.write_bytes(changed)
        try:
            read_weights(path)
        except WrongInput as error:
            sentences.append(str(error))
    assert len(sentences) > 50
    assert all(sentence.isprintable() for sentence in sentences)
