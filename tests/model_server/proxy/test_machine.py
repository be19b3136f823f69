"""The defaults by CPU, memory and GPU limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy import machine as hardware
from proxy.machine import core_limit, gpus, memory_limit_bytes, threads_for, workers_for

GIB = 2**30


@pytest.mark.parametrize(("cores", "gib", "workers"), [(2, 16, 2), (96, 16, 10), (8, 1, 1), (1, 500, 1)])
def test_a_worker_per_core_as_far_as_the_memory_goes(cores: int, gib: int, workers: int) -> None:
    assert workers_for(cores, gib * GIB, models=1) == workers


@pytest.mark.parametrize(
    ("cores", "gib", "models", "each"), [(8, 16, 2, 4), (16, 4, 2, 1), (8, 6, 2, 2), (7, 100, 3, 2), (2, 16, 5, 1)]
)
def test_models_share_the_cores_and_the_memory(cores: int, gib: int, models: int, each: int) -> None:
    assert workers_for(cores, gib * GIB, models) == each


@pytest.mark.parametrize(("cores", "workers", "threads"), [(2, 2, 1), (16, 2, 8), (8, 3, 2), (2, 5, 1), (1, 1, 1)])
def test_cores_that_have_no_worker_are_threads_of_those_that_there_are(cores: int, workers: int, threads: int) -> None:
    assert threads_for(cores, workers) == threads


def test_gpus_are_counted_and_nothing_else_of_their_driver(tmp_path: Path) -> None:
    assert gpus(tmp_path) == 0
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-modeset"):
        (tmp_path / name).touch()
    assert gpus(tmp_path) == 2


def test_a_group_for_a_gpu_is_read_in_parts_while_others_are_classified(monkeypatch: pytest.MonkeyPatch) -> None:
    from serving.settings import HandlerSettings

    monkeypatch.setattr(hardware, "gpus", lambda: 1)
    assert hardware.default_batch_images() >= 2 * HandlerSettings().images_at_once


@pytest.mark.parametrize(
    ("content", "cores"), [("max 100000", None), ("250000 100000", 2), ("50000 100000", 1), ("", None)]
)
def test_a_container_has_the_cores_that_it_was_given(tmp_path: Path, content: str, cores: int | None) -> None:
    (tmp_path / "cpu.max").write_text(content)
    assert core_limit(tmp_path) == cores


@pytest.mark.parametrize(("content", "limit"), [("max\n", None), ("2147483648\n", 2 * GIB)])
def test_a_container_has_the_memory_that_it_was_given(tmp_path: Path, content: str, limit: int | None) -> None:
    (tmp_path / "memory.max").write_text(content)
    assert memory_limit_bytes(tmp_path) == limit


def test_a_machine_without_such_limits_has_none(tmp_path: Path) -> None:
    assert core_limit(tmp_path) is None
    assert memory_limit_bytes(tmp_path) is None
