"""What a training runs with: every setting has its value, also when it is read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.conftest import tiny_config, tiny_settled
from training.errors import WrongInput
from training.settings.config import TrainConfig, checked, write_config
from training.settings.settled import Settled, read_settled


@pytest.mark.parametrize("name", ["epochs", "lr", "batch_size", "precision", "threads", "workers", "cache"])
def test_no_setting_is_auto_any_more(name: str) -> None:
    values = tiny_settled(Path("photos"), Path("run")).model_dump()
    auto = TrainConfig.model_fields[name].get_default() if name == "threads" else "auto"
    assert getattr(checked(TrainConfig, values | {name: auto}), name) == auto
    with pytest.raises(WrongInput, match=f"{name} = "):
        checked(Settled, values | {name: auto})


def test_it_is_read_back_with_the_folder_in_which_it_lies_now(tmp_path: Path) -> None:
    settings = tiny_settled(Path("photos"), Path("elsewhere"), reasons={"lr": "auto: a guess"}, epochs=7)
    write_config(settings, tmp_path / "resolved.yaml", settings.reasons)
    assert "# auto: a guess\nlr: 0.003\n" in (tmp_path / "resolved.yaml").read_text()
    again = read_settled(tmp_path / "resolved.yaml", run=tmp_path)
    assert (again.run, again.epochs, again.reasons) == (tmp_path, 7, {})
    assert again.model_dump(exclude={"run"}) == settings.model_dump(exclude={"run"})


def test_settings_that_are_not_settled_are_no_training_to_resume(tmp_path: Path) -> None:
    write_config(tiny_config(Path("photos"), tmp_path), tmp_path / "resolved.yaml")
    with pytest.raises(WrongInput, match="precision = 'auto'"):
        read_settled(tmp_path / "resolved.yaml", run=tmp_path)


def test_the_body_is_frozen_in_the_first_epochs_and_then_what_freeze_says() -> None:
    settings = tiny_settled(Path("photos"), Path("run"), epochs=4, freeze="norm", freeze_epochs=2)
    assert [settings.freeze_in(epoch) for epoch in (1, 2, 3)] == ["body", "body", "norm"]
    assert settings.frozen_epochs == 2
    assert tiny_settled(Path("photos"), Path("run"), freeze="body", freeze_epochs=2).frozen_epochs == 0
