"""A run folder that will not be written to."""

from __future__ import annotations

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


def test_a_run_folder_that_cannot_be_made_is_refused_in_a_sentence(tmp_path: Path) -> None:
    from training.run import claim_folder

    (tmp_path / "runs").write_text("a file")
    with pytest.raises(WrongInput, match=r"runs/one cannot be made \(Not a directory\)"):
        claim_folder(tmp_path / "runs" / "one")
