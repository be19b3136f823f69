"""What the proxy starts TorchServe with."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from proxy.machine import default_threads, default_workers
from proxy.options import read_options
from proxy.service import Service, start_options
from proxy.torchserve.upstream import open_session


@pytest.mark.parametrize(("options", "workers"), [([], None), (["--workers", "3"], 3)])
def test_two_models_share_the_machine_and_all_their_workers_its_threads(
    tmp_path: Path, options: list[str], workers: int | None
) -> None:
    for name in ("balls", "cats"):
        (tmp_path / f"{name}.mar").touch()
    models = ["--models", "balls=balls.mar", "cats=cats.mar"]
    started = start_options(read_options(["--model-store", str(tmp_path), *models, *options]))
    assert started.workers == (workers or default_workers(models=2))
    assert started.threads == default_threads(2 * started.workers)


def test_what_an_earlier_proxy_of_the_same_home_died_of_is_no_reason_of_this_one(tmp_path: Path) -> None:
    (tmp_path / "balls.mar").touch()
    logs = tmp_path / "home" / "logs"
    logs.mkdir(parents=True)
    (logs / "model_log.log").write_text("Backend worker process died.")
    home = ["--model-store", str(tmp_path), "--home", str(tmp_path / "home")]

    async def begin() -> None:
        async with open_session() as session:
            Service(read_options([*home, "--models", "balls=balls.mar"]), session)

    asyncio.run(begin())
    assert [path.name for path in logs.iterdir()] == ["model_log.log.before"]
