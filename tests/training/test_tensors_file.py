"""Files of tensors: an error of the machine is reported like that of any other file."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.torch

# In a process of its own: the limit counts for whatever it writes, also for a log of the tests.
WITHOUT_ROOM = """
import resource, sys
from pathlib import Path
import torch
from training.errors import TrainingError
from training.run import write_weights
from training.tensors_file import save_tensors

folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    save_tensors({"a": torch.zeros(1000)}, folder / "a.safetensors")
except OSError as error:
    print(error.errno, error.strerror)
try:
    write_weights(folder, {"a": torch.zeros(1000)})
except TrainingError as error:
    print(error)
"""


def test_a_file_for_which_there_is_no_room_is_told_without_a_librarys_words_and_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_ROOM, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    of_the_file, of_the_weights = done.stdout.splitlines()
    assert of_the_file == f"{errno.EFBIG} File too large"
    assert f"{tmp_path} cannot be written to (the file is larger than " in of_the_weights
    assert "Raise the limit" in of_the_weights
    assert not list(tmp_path.iterdir())
