"""torch.compile, when the body is unfrozen in mid-run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.training.conftest import tiny_config

if TYPE_CHECKING:
    from torch import Tensor

pytestmark = pytest.mark.torch

COMPILERS = (os.environ.get("CXX", "c++"), "g++", "clang++")
TINY: dict[str, object] = {"model": "plain_cnn", "model_args": {"widths": [8], "repeats": 1, "dense": []}, "dropout": 0.0,
                           "freeze_epochs": 1}  # fmt: skip


@pytest.mark.skipif(
    not any(shutil.which(name) for name in COMPILERS), reason="torch.compile on a CPU needs a C++ compiler, as g++"
)
@pytest.mark.filterwarnings("ignore:Guards may run slower on Python 3.13.0")  # torch's advice to take 3.13.1
def test_a_compiled_model_learns_what_is_unfrozen_in_mid_run(photos: Path, tmp_path: Path) -> None:
    """As the same training learns it without: a graph of the frozen body is not used any more."""
    import torch

    from training.fine_tune import train

    train(tiny_config(photos, tmp_path / "plain", **TINY))
    train(tiny_config(photos, tmp_path / "compiled", **TINY, compile=True))
    for name in ("previous", "last"):
        expected, found = network(tmp_path / "plain", name), network(tmp_path / "compiled", name)
        for key, value in expected.items():
            torch.testing.assert_close(found[key], value, atol=1e-3, rtol=1e-2, msg=f"{name}: {key}")
    begun = network(tmp_path / "plain", "previous")
    frozen, unfrozen = (network(tmp_path / "compiled", name) for name in ("previous", "last"))
    body = [name for name, value in begun.items() if name.startswith("stages.") and value.is_floating_point()]
    assert body
    assert all(torch.equal(frozen[name], begun[name]) for name in body)
    assert not any(torch.equal(unfrozen[name], begun[name]) for name in body)


def network(run: Path, name: str) -> dict[str, Tensor]:
    """The network in one of the two last checkpoints: of the first epoch, and of the second."""
    from safetensors.torch import load_file

    tensors = load_file(run / "checkpoints" / f"{name}.safetensors")
    return {key.removeprefix("network."): value for key, value in tensors.items() if key.startswith("network.")}
