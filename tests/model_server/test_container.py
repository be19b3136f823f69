"""The Dockerfile: the rules it keeps, and its exact steps in a plain folder, from which an image is served. No Docker is needed."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import urllib3

from podium.local.model_server import free_ports
from proxy.options import read_options
from tests.model_server.archives import pack
from tests.model_server.dockerfile import DOCKERFILE, ROOT, read_dockerfile
from tests.model_server.plain_folder import LOCKED, PlainFolder, built_in

PAGE = ROOT / "docs" / "serving-with-docker.md"
IMAGE = "podium-model-server"
HEALTHY_WITHIN_S = 180
STOPPED_WITHIN_S = 60


def sent_to_docker() -> set[str]:
    """The files that .dockerignore lets through, as it is written: everything but what is named with `!`."""
    lines = (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert rules[-1] == "**/__pycache__"
    assert all(rule.startswith("!") for rule in rules[1:-1])
    return {rule.removeprefix("!") for rule in rules[1:-1]}


def copies() -> list[tuple[list[str], str]]:
    """The sources and the target of each COPY."""
    return [(words.split()[:-1], words.split()[-1]) for words in read_dockerfile().of("COPY")]


def docker_runs() -> list[list[str]]:
    """Every `docker run` of the page, as words."""
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return [shlex.split(block) for block in blocks if block.startswith("docker run")]


def test_what_is_installed_is_locked_by_hash() -> None:
    [install] = [step for step in read_dockerfile().of("RUN") if "pip" in step]
    assert install == (
        "pip install --no-cache-dir --require-hashes --compile --requirement requirements/model_server.txt"
    )
    names = [line for line in LOCKED.read_text().splitlines() if re.match(r"\w", line)]
    assert names
    assert LOCKED.read_text().count("--hash=sha256:") >= len(names)


def test_no_step_needs_a_shell() -> None:
    for step in read_dockerfile().of("RUN"):
        assert not re.search(r"[;&|<>$`*?(){}\\]", step), step
    for name in ("ENTRYPOINT", "CMD"):
        [words] = read_dockerfile().of(name)
        assert isinstance(json.loads(words), list)
    assert not {"ADD", "SHELL", "VOLUME", "ONBUILD"} & {name for name, _ in read_dockerfile().instructions}


def test_it_runs_as_nobody_in_particular() -> None:
    [user] = read_dockerfile().of("USER")
    [made] = [step for step in read_dockerfile().of("RUN") if step.startswith("useradd")]
    assert f"--uid {user.partition(':')[0]} " in made
    assert int(user.partition(":")[0]) >= 10_000
    after = [name for name, _ in read_dockerfile().instructions[::-1]]
    assert "RUN" not in after[: after.index("USER")]


def test_a_change_of_our_own_code_installs_nothing_again() -> None:
    names = [f"{name} {words}" for name, words in read_dockerfile().instructions]
    [install] = [number for number, it in enumerate(names) if "pip install" in it]
    copied_before = [it for it in names[:install] if it.startswith("COPY")]
    assert copied_before == ["COPY requirements/model_server.txt requirements/"]


def test_docker_is_sent_what_is_copied_and_nothing_else() -> None:
    copied = {source for sources, _ in copies() for source in sources}
    assert sent_to_docker() == copied
    assert not [source for source in copied if not (ROOT / source).exists()]


def test_it_listens_and_is_stopped_as_the_proxy_expects() -> None:
    dockerfile = read_dockerfile()
    [port] = dockerfile.of("EXPOSE")
    [entry] = dockerfile.of("ENTRYPOINT")
    assert f"0.0.0.0:{port}" in json.loads(entry)
    assert dockerfile.of("STOPSIGNAL") == ["SIGTERM"]
    assert "--no-token" not in json.loads(entry)  # that is for a person to say


def test_the_page_builds_this_dockerfile() -> None:
    [build] = re.findall(r"^docker build (.*)$", PAGE.read_text(), re.MULTILINE)
    words = shlex.split(build)
    assert ROOT / words[words.index("--file") + 1] == DOCKERFILE
    assert (words[words.index("--tag") + 1], words[-1]) == (IMAGE, ".")


@pytest.mark.parametrize("words", docker_runs(), ids=lambda words: words[-1])
def test_every_docker_run_of_the_page_can_change_nothing_and_is_taken_by_the_proxy(
    words: list[str], tmp_path: Path
) -> None:
    given = words[words.index(IMAGE) + 1 :]
    docker = words[: words.index(IMAGE)]
    assert {"--read-only", "--init", "--cap-drop", "--security-opt"} <= set(docker)
    assert docker[docker.index("--tmpfs") + 1].startswith("/tmp:exec")
    assert any(word.endswith(":/models:ro") for word in docker)
    (tmp_path / "balls.mar").touch()
    [entry] = read_dockerfile().of("ENTRYPOINT")
    line = [word.replace("/models", str(tmp_path)) for word in json.loads(entry)[3:]]
    assert read_options([*line, *given]).model_names == ("balls",)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> PlainFolder:
    """With an empty file in place of an archive, for tests that load none."""
    folder = built_in(tmp_path_factory.mktemp("image"))
    (folder.root / "models").mkdir()
    (folder.root / "models" / "balls.mar").touch()
    return folder


def test_what_fetches_an_archive_is_in_the_image(image: PlainFolder) -> None:
    asked = ["python", "-m", "fetch", "--help"]
    ran = subprocess.run(asked, env=image.environment, cwd=image.work, check=True, capture_output=True, text=True)
    assert "--sha256" in ran.stdout


@dataclass(frozen=True)
class Container:
    """A process that stands for a running container."""

    process: subprocess.Popen[bytes]
    port: int
    output: Path

    def is_healthy(self, folder: PlainFolder) -> bool:
        """The result of the image's own HEALTHCHECK."""
        [check] = read_dockerfile().of("HEALTHCHECK")
        command = json.loads(check.partition("CMD ")[2].replace("8080", str(self.port)))
        return subprocess.run(command, env=folder.environment, check=False, capture_output=True).returncode == 0


@pytest.fixture
def container(image: PlainFolder, unpacked: Path, tmp_path: Path) -> Iterator[Container]:
    """The page's first `docker run`: the image's ENTRYPOINT with its arguments, on free ports of this machine."""
    shutil.copy(pack(unpacked, tmp_path / "store", tmp_path), image.root / "models")
    ports = free_ports()
    [entry] = read_dockerfile().of("ENTRYPOINT")
    given = docker_runs()[0]
    line = [image.inside(word) for word in [*json.loads(entry), *given[given.index(IMAGE) + 1 :]]]
    line = [word.replace("0.0.0.0:8080", f"127.0.0.1:{ports.inference}") for word in line]
    output = image.root / "tmp" / "output"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [*line, "--metrics", f"127.0.0.1:{ports.metrics}"], cwd=image.work, env=image.environment,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield Container(process, ports.inference, output)
    finally:
        process.kill() if process.poll() is None else None
        process.wait()


@pytest.mark.torch
@pytest.mark.stack
def test_the_dockerfiles_steps_in_a_plain_folder_serve_an_image_and_write_nowhere_but_to_tmp(
    image: PlainFolder, container: Container, photos: list[bytes]
) -> None:
    before = image.files()
    deadline = time.monotonic() + HEALTHY_WITHIN_S
    while not container.is_healthy(image):
        assert container.process.poll() is None, container.output.read_text()
        assert time.monotonic() < deadline, container.output.read_text()
        time.sleep(1)
    url = f"http://127.0.0.1:{container.port}/predictions/balls"
    answer = urllib3.request("POST", url, body=photos[0], retries=False)
    assert answer.status == 200
    assert len(answer.json()["predictions"]) == 3
    container.process.send_signal(signal.SIGTERM)
    assert container.process.wait(STOPPED_WITHIN_S) == 0, container.output.read_text()
    assert image.files() == before


def test_without_an_argument_it_says_what_it_wants(image: PlainFolder) -> None:
    [entry], [given] = read_dockerfile().of("ENTRYPOINT"), read_dockerfile().of("CMD")
    line = [image.inside(word) for word in json.loads(entry)]
    output = subprocess.run(
        [*line, *json.loads(given)], cwd=image.work, env=image.environment, check=True, capture_output=True, text=True
    )
    assert "--token-file" in output.stdout


def test_beyond_loopback_it_wants_a_token_or_an_option_that_none_is_needed(image: PlainFolder) -> None:
    [entry] = read_dockerfile().of("ENTRYPOINT")
    line = [image.inside(word) for word in json.loads(entry)]
    output = subprocess.run(
        [*line, "--models", "balls=balls.mar"], cwd=image.work, env=image.environment, check=False, capture_output=True,
        text=True,
    )  # fmt: skip
    assert output.returncode == 1
    assert "--token-file" in output.stderr
