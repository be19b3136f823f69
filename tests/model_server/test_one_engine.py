"""The real proxy and TorchServe with two workers: one model, one engine, one answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import urllib3

from podium.local import model_server as torchserve
from tests.model_server.archives import packaged

pytestmark = [pytest.mark.torch, pytest.mark.stack]

READY_WITHIN_S = 180
WORKERS = 2


@pytest.fixture(scope="module")
def archive(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It leaves the precision to the server: fp32, or bf16 on a CPU that computes in it."""
    return packaged(run, tmp_path_factory.mktemp("openvino"), engine="openvino", precision="auto").parent / "balls.mar"


@contextmanager
def served(archive: Path, home: Path) -> Iterator[torchserve.ServerAddress]:
    try:
        address = torchserve.start(home=home, archive=archive, ports=torchserve.free_ports())
        torchserve.wait_ready(address, "balls", READY_WITHIN_S)
        yield address
    finally:
        torchserve.stop(home)


def workers(address: torchserve.ServerAddress) -> list[int]:
    described = urllib3.request("GET", f"{address.management_url}/models/balls", timeout=10).json()
    return [worker["pid"] for worker in described[0]["workers"]]


def answers(address: torchserve.ServerAddress, photo: bytes, times: int = 12) -> set[str]:
    """The different answers to one photo that is sent many times, without their timings."""
    pool = urllib3.PoolManager(maxsize=times)

    def ask(_: int) -> str:
        reply = pool.request("POST", f"{address.inference_url}/predictions/balls", body=photo, timeout=60)
        assert reply.status == 200
        document = reply.json()
        document.pop("timings")
        return json.dumps(document)

    with ThreadPoolExecutor(times) as senders:
        return set(senders.map(ask, range(times)))


def test_all_workers_answer_alike_bit_by_bit_and_a_restart_keeps_the_engine(
    archive: Path, photos: list[bytes], tmp_path: Path
) -> None:
    with served(archive, tmp_path) as address:
        assert len(workers(address)) == WORKERS
        [record] = (tmp_path / "engines").iterdir()
        recorded = json.loads(record.read_text())
        for photo in photos[:8]:
            [answer] = answers(address, photo)
            assert json.loads(answer)["model"]["engine"] == recorded["engine"]
        log = (tmp_path / "logs" / "model_log.log").read_text()
        assert log.count("ms for one image") == len(recorded["measured_ms"]), "one worker measured, once"
        assert f"ready: balls, engine: {recorded['engine']}" in (tmp_path / "logs" / "proxy.log").read_text()
        psutil.Process(workers(address)[0]).kill()
        torchserve.wait_ready(address, "balls", READY_WITHIN_S)
        assert {json.loads(it)["model"]["engine"] for it in answers(address, photos[0])} == {recorded["engine"]}
    # What a start finds recorded counts, whatever it might measure.
    other = {"openvino-fp32", "openvino-bf16"} - {recorded["engine"]}
    if other <= recorded["measured_ms"].keys():
        record.write_text(json.dumps({**recorded, "engine": min(other)}))
        with served(archive, tmp_path) as address:
            [answer] = answers(address, photos[0])
            assert json.loads(answer)["model"]["engine"] == min(other)
