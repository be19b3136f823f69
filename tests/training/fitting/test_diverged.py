"""What to do about a loss that is no number: only what can help, the likeliest first."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.conftest import tiny_settled

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("changed", "ways"),
    [
        ({"lr": 0.5}, "Lower lr (it is 0.5), or set clip_grad=1."),
        ({"lr": 1e30, "clip_grad": 1.0}, "Lower lr (it is 1e+30)."),
        ({"lr": 0.001, "precision": "fp16"}, "Lower lr (it is 0.001), or set clip_grad=1, or set precision=fp32."),
        (
            {"lr": 0.1, "weight_decay": 50},
            "Lower weight_decay (it is 50), or lower lr (it is 0.1), or set clip_grad=1.",
        ),
        ({"lr": 0.1, "focal_gamma": 60}, "Lower focal_gamma (it is 60), or lower lr (it is 0.1), or set clip_grad=1."),
    ],
)
def test_the_advice_names_what_is_set_too_high_and_not_what_is_set_so_already(
    tmp_path: Path, changed: dict[str, object], ways: str
) -> None:
    from training.fitting.diverged import diverged

    settings = tiny_settled(tmp_path, tmp_path / "run", **changed)
    assert (
        str(diverged("The loss is no number after step 2", settings)) == f"The loss is no number after step 2. {ways}"
    )
