"""The section `handler` of model-config.yaml: every setting has a default, and a wrong one is refused with a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from inference.archive.errors import ModelRefused
from serving.settings import HandlerSettings, read_settings, threads_for
from tests.inference.images.pictures import huge_png
from tests.model_server.archives import ROOT
from tests.model_server.handlers import loaded, rejection


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"thread": 2}, "thread is not known. Known are engine,"),
        ({"threads": 0}, "threads is 0, expected 1 or more"),
        ({"threads": None}, "threads is None"),
        ({"threads": "two"}, "threads is 'two'"),
        ({"threads": True}, "threads is True"),
        ({"readers": "many"}, "readers is 'many'"),
        ({"images_at_once": 0}, "images_at_once is 0"),
        ({"image_seconds": -1}, "image_seconds is -1"),
        ({"max_pixels": []}, "max_pixels is []"),
        ({"engine": "tensorrt"}, "engine is 'tensorrt', expected one of auto, torch,"),
        ({"engine": None}, "engine is None"),
        ({"precision": "fp16"}, "precision is 'fp16', expected one of auto, fp32, bf16, int8"),
        ({"precision": ["fp32"]}, "precision is ['fp32']"),
        ({"threads": 1.5}, "threads is 1.5"),
        ({"image_seconds": float("nan")}, "image_seconds is nan"),
    ],
)
def test_a_setting_that_is_unknown_or_wrong_is_refused_with_what_is_right(
    settings: dict[str, object], words: str
) -> None:
    with pytest.raises(ModelRefused) as refused:
        read_settings(settings)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("threads", "omp_num_threads", "used"),
    [
        ("auto", "8", 8),
        ("auto", "4,2", 4),
        ("auto", None, 1),
        ("auto", "", 1),
        ("auto", "0", 1),
        ("auto", "many", 1),
        (3, "8", 3),
    ],
)
def test_a_worker_computes_on_as_many_threads_as_its_archive_or_else_the_environment_says(
    threads: object, omp_num_threads: str | None, used: int
) -> None:
    environment = {} if omp_num_threads is None else {"OMP_NUM_THREADS": omp_num_threads}
    assert threads_for(read_settings({"threads": threads}), environment) == used


@pytest.mark.torch
def test_the_handler_takes_its_threads_from_the_environment(unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    before = torch.get_num_threads()
    try:
        assert loaded(unpacked).classifier.machine.threads == torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_the_settings_of_the_archive_are_those_that_the_server_has_without_them() -> None:
    """model-config.yaml shows every setting with its default."""
    section = yaml.safe_load((ROOT / "model_server" / "model-config.yaml").read_text(encoding="utf-8"))["handler"]
    assert set(section) == set(vars(HandlerSettings()))
    assert read_settings(section) == HandlerSettings() == read_settings(None)


@pytest.mark.torch
def test_a_limit_of_pixels_is_the_archives_own(unpacked: Path) -> None:
    status, found = rejection(loaded(unpacked, max_pixels=1000), {"body": huge_png(100, 11)})
    assert (status, found.code) == (422, "too_many_pixels")
