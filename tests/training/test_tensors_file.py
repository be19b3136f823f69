"""Files of tensors: an error of the machine is told like that of any other file."""

from __future__ import annotations

import errno
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from training.errors import TrainingError

pytestmark = pytest.mark.torch


@pytest.fixture
def no_room() -> Iterator[None]:
    """No file of this process grows beyond 1,000 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("no_room")
def test_a_file_for_which_there_is_no_room_is_an_error_of_the_machine(tmp_path: Path) -> None:
    import torch

    from training.tensors_file import save_tensors

    with pytest.raises(OSError, match="File too large") as caught:
        save_tensors({"a": torch.zeros(1000)}, tmp_path / "a.safetensors")
    assert caught.value.errno == errno.EFBIG
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("no_room")
def test_weights_for_which_there_is_no_room_end_without_a_librarys_words(tmp_path: Path) -> None:
    import torch

    from training.run import write_weights

    with pytest.raises(TrainingError, match=r"cannot be written to \(the file is larger than .*\)\. Raise the limit"):
        write_weights(tmp_path, {"a": torch.zeros(1000)})
    assert not list(tmp_path.iterdir())
