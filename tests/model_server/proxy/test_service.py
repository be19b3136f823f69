"""What the proxy starts TorchServe with."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.hardware import default_threads, default_workers
from proxy.options import read_options
from proxy.service import started_for


@pytest.mark.parametrize(("said", "workers"), [([], None), (["--workers", "3"], 3)])
def test_two_models_share_the_machine_and_all_their_workers_its_threads(
    tmp_path: Path, said: list[str], workers: int | None
) -> None:
    for name in ("balls", "cats"):
        (tmp_path / f"{name}.mar").touch()
    models = ["--models", "balls=balls.mar", "cats=cats.mar"]
    started = started_for(read_options(["--model-store", str(tmp_path), *models, *said]))
    assert started.workers == (workers or default_workers(models=2))
    assert started.threads == default_threads(2 * started.workers)
