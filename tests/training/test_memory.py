"""Memory that does not suffice: a sentence, on a GPU and on a CPU, and never a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.training.conftest import tiny_config
from training.errors import TrainingError

if TYPE_CHECKING:
    from training.run import TrainingProgress

pytestmark = pytest.mark.torch

PETABYTE = 2**50
ENDS = "Halve it (and double accumulate), or end other programs, and try again."
# Under a limit on its memory, train what the words say; the last line is the sentence.
LIMITED = """
import resource, sys
from pathlib import Path
from tests.training.conftest import tiny_config
from training.errors import TrainingError
from training.fine_tune import train
from training.planning import plan
data, room, does, changed = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], eval(sys.argv[4])
held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + room, held + room))
try:
    {"train": train, "plan": plan}[does](tiny_config(data, Path(sys.argv[5]), **changed))
except TrainingError as error:
    print(error)
"""


def limited(data: Path, run: Path, does: str, room: int, **changed: object) -> str:
    """The last line of a training, or a plan, that may take so many bytes more than Python and torch have taken."""
    words = [sys.executable, "-c", LIMITED, str(data), str(room), does, repr(changed), str(run)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert not done.returncode, done.stderr
    return done.stdout.splitlines()[-1]


def test_a_cpu_whose_memory_runs_out_in_an_epoch_ends_the_training_in_a_sentence(photos: Path, tmp_path: Path) -> None:
    import torch

    from training.fine_tune import train

    def run_out(now: TrainingProgress) -> None:
        if now.stage == "training":
            torch.empty(PETABYTE)

    with pytest.raises(TrainingError) as refused:
        train(tiny_config(photos, tmp_path / "run"), on_progress=run_out)
    assert str(refused.value) == f"This machine's memory does not hold batch_size = 4. {ENDS}"


def test_what_python_cannot_allocate_is_told_so_and_other_errors_stay_themselves() -> None:
    import torch

    from training.memory import memory_explained

    with (
        pytest.raises(TrainingError, match="This machine's memory does not hold the photos"),
        memory_explained("the photos"),
    ):
        bytearray(PETABYTE)
    with pytest.raises(RuntimeError, match="cannot be multiplied"), memory_explained("the photos"):
        torch.ones(2, 3) @ torch.ones(2, 3)


def test_a_batch_that_a_limit_forbids_is_told_in_the_first_step(photos: Path, tmp_path: Path) -> None:
    large: dict[str, object] = {"image_size": 512, "batch_size": 14, "model_args": {}, "model": "test_resnet"}
    sentence = limited(photos, tmp_path / "run", "train", 800_000_000, **large)
    assert sentence == f"This machine's memory does not hold batch_size = 14. {ENDS}"


@pytest.mark.parametrize("does", ["train", "plan"])
def test_a_network_that_a_limit_forbids_is_told_before_a_photo_is_read(photos: Path, tmp_path: Path, does: str) -> None:
    wide: dict[str, object] = {"model": "test_vit", "model_args": {"embed_dim": 12288, "depth": 1}}
    sentence = limited(photos, tmp_path / "run", does, 500_000_000, **wide)
    assert sentence == (
        "This machine's memory does not hold model = test_vit with model_args = {'embed_dim': 12288, 'depth': 1}. Choose a"
        " smaller network, or end other programs, and try again."
    )
    assert not (tmp_path / "run").exists()


def test_an_evaluation_that_a_machine_does_not_hold_is_told_with_its_photos() -> None:
    import torch
    from torch import nn

    from training.evaluation.forward import EvalNetwork
    from training.model.model_file import Preprocessing

    class Greedy(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.empty(PETABYTE) + images

    facts = Preprocessing(
        input_size=(3, 8, 8), interpolation="bicubic", crop_pct=1.0, crop_mode="center", mean=(0, 0, 0), std=(1, 1, 1)
    )
    ready = EvalNetwork.of(Greedy(), facts, torch.device("cpu"))
    with pytest.raises(TrainingError, match="This machine's memory does not hold 5 photos of 8 pixels"):
        ready.logits(torch.zeros(5, 3, 8, 8, dtype=torch.uint8))
