"""A run folder that will not be written to."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from training.errors import TrainingError, WrongInput

pytestmark = pytest.mark.torch


def test_a_checkpoint_that_finds_no_room_ends_in_a_sentence_that_says_how_to_go_on(tmp_path: Path) -> None:
    import torch

    from training.fitting.checkpoint import write_checkpoint

    (tmp_path / "checkpoints").write_text("in the way")
    with pytest.raises(TrainingError, match=f"{tmp_path} cannot be written to .*podium train --resume {tmp_path}$"):
        write_checkpoint(tmp_path, {"a": torch.ones(1)}, {})


def test_weights_that_find_no_room_end_in_a_sentence_that_names_the_folder_of_all_folds(tmp_path: Path) -> None:
    import torch

    from training.run import write_weights

    (tmp_path / "folds.yaml").write_text("")
    (tmp_path / "fold-1").write_text("in the way")
    with pytest.raises(TrainingError, match=f"{tmp_path}/fold-1 cannot be written to .*--resume {tmp_path}$"):
        write_weights(tmp_path / "fold-1", {"a": torch.ones(1)})


def test_what_is_in_the_way_is_named_and_not_told_to_need_room(tmp_path: Path) -> None:
    from training.run import kept

    def refused() -> str:
        with pytest.raises(TrainingError) as caught, kept(tmp_path):
            (tmp_path / "metrics.jsonl").write_text("x")
        return str(caught.value)

    (tmp_path / "metrics.jsonl").mkdir()
    on = f"Then go on: podium train --resume {tmp_path}"
    assert refused() == (
        f"{tmp_path} cannot be written to (this is a folder, and a file is needed: {tmp_path}/metrics.jsonl). Name a file. {on}"
    )
    for number, words in (
        (errno.EPERM, "(you have no permission). Change its permissions"), (errno.ENOSPC, "(the disk is full). Make room there. Then"),
        (errno.EROFS, "(the disk is read-only). Name a folder on another disk."), (errno.ELOOP, "(too many levels of symbolic links). Look"),
    ):  # fmt: skip
        with pytest.raises(TrainingError) as caught, kept(tmp_path):
            raise OSError(number, os.strerror(number), str(tmp_path))
        assert words in str(caught.value)
        assert str(caught.value).endswith(on)


def test_a_folder_that_a_plan_looked_for_is_not_there_afterwards(tmp_path: Path) -> None:
    from training.run import check_free

    (tmp_path / "there").mkdir()
    (tmp_path / "file").touch()
    check_free(tmp_path / "a" / "b" / "c")
    check_free(tmp_path / "there")
    for wrong in (tmp_path / "file" / "x", tmp_path / "d" / ("x" * 300), Path("/proc/x"), Path("/proc/self/x")):
        with pytest.raises(WrongInput, match=f"^The run folder {wrong} cannot be made"):
            check_free(wrong)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "there"]


def test_a_run_folder_that_cannot_be_made_is_refused_in_a_sentence(tmp_path: Path) -> None:
    from training.run import claim_folder

    (tmp_path / "runs").write_text("a file")
    with pytest.raises(WrongInput, match=r"runs/one cannot be made \(Not a directory\)"):
        claim_folder(tmp_path / "runs" / "one")
