"""The pages about serving, run as they stand: by a person with curl, with the proxy, and with TorchServe alone.

Each command is given to a shell in a folder that looks like the repository's; only addresses are exchanged for free ones.
docs/serving-with-docker.md is run by test_container.py.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from podium.local import model_server as torchserve
from podium.local.model_server import Ports, free_ports
from tests.conformance.promises import PROMISES, connections, many_images, one_image, refusals
from tests.conformance.server import NotOffered, Server
from tests.model_server.archives import ROOT, pack

pytestmark = [
    pytest.mark.torch,
    pytest.mark.stack,
    pytest.mark.skipif(shutil.which("curl") is None, reason="the pages are for people with curl"),
]

CURL, SERVER = ROOT / "docs" / "serving-with-curl.md", ROOT / "docs" / "model-server.md"
READY_WITHIN_S = 180
# What TorchServe does not let the handler do, as in the page's table.
NOT_ALONE = {
    *connections.PROMISES,
    one_image.the_body_is_the_image_whatever_its_content_type,
    one_image.top_k_says_how_many_classes_are_named_in_the_query_or_in_a_header,
    many_images.top_k_counts_for_every_image_of_a_tar,
    refusals.a_wrong_top_k_is_a_bad_request,
    refusals.a_body_of_any_size_is_refused_before_all_of_it_is_read,
    refusals.ten_mebibytes_are_taken_and_a_byte_more_is_too_large,
    many_images.sixty_four_mebibytes_are_taken_at_once_and_more_are_too_large,
}


def blocks(page: Path) -> list[tuple[str, str]]:
    """Each block of commands, and the JSON that the page shows as its response; empty if it shows none."""
    found = re.findall(r"```bash\n(.*?)```\n(?:```json\n(.*?)```)?", page.read_text(), re.DOTALL)
    return [(commands, shown) for commands, shown in found]


def block_with(words: str) -> str:
    """The one block of docs/model-server.md with these words."""
    [found] = [commands for commands, _ in blocks(SERVER) if words in commands]
    return found


def shape(value: object) -> object:
    """What kind of JSON this is: the same names, as many entries, the same types; null may be a sentence."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items() if name != "uncertain"}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return "number" if isinstance(value, int | float) else type(value).__name__


def shell(commands: str, folder: Path, *, within_s: float = READY_WITHIN_S, **more: str) -> str:
    """What the commands print, run in `folder` with a bare environment; every one of them must succeed."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder), "TEMP": str(folder), **more}
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands], cwd=folder, env=environment, timeout=within_s, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, f"{commands}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def moved(commands: str, ports: Ports) -> str:
    """The commands with other ports than the usual ones."""
    usual = {"8080": ports.inference, "8081": ports.management, "8082": ports.metrics}
    return re.sub(r"(?<=127\.0\.0\.1:)808[012]", lambda found: str(usual[found[0]]), commands)


@pytest.fixture(scope="module")
def archive(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(unpacked, tmp_path_factory.mktemp("store"), tmp_path_factory.mktemp("packing"))


@pytest.fixture
def repository(archive: Path, photos: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the pages' commands name: the code, an environment, an archive, photos."""
    folder = tmp_path_factory.mktemp("pages")
    for room in ("model_server", "inference"):
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "venv").symlink_to(sys.prefix)
    (folder / ".podium" / "models").mkdir(parents=True)
    shutil.copy(archive, folder / ".podium" / "models")
    (folder / "photos").mkdir()
    for name in ("ball.jpg", "photos/1.jpg"):
        (folder / name).write_bytes(photos[0])
    for name in ("letter.txt", "photos/2.txt"):
        (folder / name).write_text("a letter")
    return folder


@pytest.fixture
def server(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[torchserve.ServerAddress]:
    home = tmp_path_factory.mktemp("server")
    try:
        address = torchserve.start(home=home, archive=archive, ports=free_ports())
        torchserve.wait_ready(address, "balls", READY_WITHIN_S)
        yield address
    finally:
        torchserve.stop(home)


def test_a_person_with_curl_sees_what_the_page_shows(repository: Path, server: torchserve.ServerAddress) -> None:
    (setting, _), *others = [("", ""), *blocks(CURL)]
    for commands, shown in others:
        setting = next((line for line in commands.splitlines() if line.startswith("export ")), setting)
        there = f"{setting}\n{commands}".replace("http://127.0.0.1:8080", server.inference_url)
        printed = shell(there, repository)
        if shown:
            assert shape(json.loads(printed)) == shape(json.loads(shown)), commands
    assert (repository / "heat.png").read_bytes().startswith(b"\x89PNG")


def test_the_proxy_is_started_and_stopped_as_the_page_says(repository: Path) -> None:
    ports = free_ports()
    commands = moved(block_with("-m proxy"), ports)
    options = f"-m proxy --listen 127.0.0.1:{ports.inference} --metrics 127.0.0.1:{ports.metrics} "
    ask = f"\ncurl -sf -T ball.jpg http://127.0.0.1:{ports.inference}/predictions/balls\nkill %1\nwait %1"
    printed = shell(commands.replace("-m proxy ", options) + ask, repository)
    assert '"predictions"' in printed
    assert "stopped" in (repository / "proxy.log").read_text()


def test_torchserve_alone_is_started_as_the_page_says_and_keeps_the_contract_but_for_the_pages_table(
    repository: Path,
) -> None:
    ports = free_ports()
    config = repository / "model_server" / "config.properties"
    grpc = {"7070": free_ports().inference, "7071": free_ports().inference}
    properties = re.sub(r"(?<==)707[01]$", lambda it: str(grpc[it[0]]), config.read_text(), flags=re.MULTILINE)
    config.write_text(moved(properties, ports))
    try:
        printed = shell(moved(block_with("torchserve --start"), ports), repository)
        assert '"predictions"' in printed
        assert "handler_images" in printed
        assert kept_by(Server(f"http://127.0.0.1:{ports.inference}", "balls")) == {
            promise.__name__: promise not in NOT_ALONE for promise in PROMISES
        }
    finally:
        shell("export JAVA_HOME=/nowhere; venv/bin/torchserve --stop", repository)


def kept_by(server: Server) -> Mapping[str, bool]:
    """Which promises a server keeps; one that it need not make is kept."""
    kept = {}
    for promise in PROMISES:
        try:
            promise(server)
        except AssertionError:
            kept[promise.__name__] = False
        except NotOffered:
            kept[promise.__name__] = True
        else:
            kept[promise.__name__] = True
    return kept
