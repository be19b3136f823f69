"""A shell that evaluates `podium env`: which `aws` and `sam` it finds, where they go, and the way out again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from podium.project import PYTHON, TOOLS, LocalStack
from podium.shown import shell
from podium.shown.shell import FOLDERS, WRAPPERS, exports, newest_aws, unsets

STACK = LocalStack(emulator_port=4566, inference_port=8080, management_port=8081, metrics_port=8082, secret="local")
ECHO = '#!/bin/sh\nif [ "$1" = --version ]; then echo \'aws-cli/{version} Python/3.13\'; else echo "$0" "$@"; fi\n'
OF_BASH = {"_", "SHLVL", "PWD", "OLDPWD"}
Tool = Callable[[str, str], Path]


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    """Write a program into a folder of that name, which says how it was called."""

    def write(folder: str, text: str) -> Path:
        path = tmp_path / folder / "aws"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path

    return write


def in_bash(line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line], env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )


def evaluated(line: str, aws: str | Path = "aws") -> str:
    """The stdout of a line of bash after `podium env`."""
    done = in_bash("\n".join([*exports(STACK, str(aws)), line]))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("theirs", "ours", "chosen"),
    [
        ("2.17.1", "1.46.2", "theirs"),
        ("1.46.10", "1.46.2", "theirs"),
        ("1.16.1", "1.46.2", "ours"),
        ("2.17.1", "2.17.1", "ours"),
    ],
)
def test_the_newer_aws_cli_is_the_one_that_runs(
    monkeypatch: pytest.MonkeyPatch, tool: Tool, theirs: str, ours: str, chosen: str
) -> None:
    tools = {"theirs": tool("theirs", ECHO.format(version=theirs)), "ours": tool("ours", ECHO.format(version=ours))}
    monkeypatch.setenv("PATH", str(tools["theirs"].parent), prepend=":")
    monkeypatch.setattr(shell, "TOOLS", tools["ours"].parent)
    assert newest_aws() == str(tools[chosen])
    assert evaluated("aws s3 ls", newest_aws()) == f"{tools[chosen]} --endpoint-url https://127.0.0.1:4566 s3 ls"


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 127\n", "#!/nowhere/sh\n", "#!/bin/sh\necho 'aws 3'\n"])
def test_an_aws_cli_that_does_not_run_is_none(monkeypatch: pytest.MonkeyPatch, tool: Tool, text: str) -> None:
    monkeypatch.setenv("PATH", str(tool("shims", text).parent), prepend=":")
    monkeypatch.setattr(shell, "TOOLS", tool("ours", ECHO.format(version="1.1")).parent)
    assert newest_aws().endswith("/ours/aws")


def test_every_service_gets_the_endpoint_unless_the_person_names_one(tool: Tool) -> None:
    aws = tool("ours", ECHO.format(version="99.0"))
    assert "--endpoint-url https://127.0.0.1:4566 sqs list-queues" in evaluated("aws sqs list-queues", aws)
    assert evaluated("aws --endpoint-url http://mine sqs list-queues", aws).count("--endpoint-url") == 1
    assert evaluated("aws sqs list-queues --endpoint-url=http://mine", aws).count("--endpoint-url") == 1
    assert "--endpoint-url" not in evaluated("unset AWS_ENDPOINT_URL; aws sqs list-queues", aws)


@pytest.mark.skipif(not (TOOLS / "aws").exists(), reason="needs .venv-tools: make install")
def test_the_aws_cli_of_this_project_asks_the_local_stack_for_its_queues() -> None:
    """Version 1 asks AWS itself, whatever AWS_ENDPOINT_URL says; nobody listens on this port."""
    done = in_bash(
        "\n".join([*exports(STACK, str(TOOLS / "aws")), "unset AWS_CA_BUNDLE", "aws sqs list-queues"]),
        AWS_MAX_ATTEMPTS="1",
    )
    assert done.returncode != 0
    assert 'Could not connect to the endpoint URL: "https://127.0.0.1:4566/"' in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        "deploy --guided",
        "deploy",
        "deploy --config-env default",
        "--debug deploy",
        "delete",
        "sync",
        "package",
        "publish",
    ],
)
def test_sam_says_that_this_shell_is_for_the_local_stack(words: str) -> None:
    done = in_bash("\n".join([*exports(STACK, "aws"), f"sam {words}"]))
    assert done.returncode == 2
    assert "points at the local stack (https://127.0.0.1:4566)" in done.stderr
    assert 'eval "$(podium env --unset)"' in done.stderr


@pytest.mark.skipif(not (TOOLS / "sam").exists(), reason="needs .venv-tools: make install")
@pytest.mark.parametrize(
    "words", ["deploy --config-env local --help", "deploy --config-env=local --help", "build --help"]
)
def test_sam_runs_when_the_local_stack_is_meant_or_nothing_is_changed(words: str) -> None:
    assert "Usage: sam" in evaluated(f"sam {words}")


def test_the_way_back_leads_to_the_shell_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work account")
    monkeypatch.setenv("AWS_CA_BUNDLE", "/etc/proxy.pem")
    monkeypatch.delenv("AWS_REGION", raising=False)
    before = dict(os.environ)
    for name, value in inside(exports(STACK, "aws")).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE")
    assert os.get_exec_path()[:2] == FOLDERS
    after = inside(unsets())
    assert {name: value for name, value in after.items() if before.get(name) != value} == {}
    assert before.keys() - after.keys() <= OF_BASH


def test_evaluated_twice_path_names_each_folder_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", inside(exports(STACK, "aws"))["PATH"])
    path = inside(exports(STACK, "aws"))["PATH"].split(":")
    assert (path[:2], path.count(str(WRAPPERS))) == ([str(WRAPPERS), str(PYTHON)], 1)


def inside(lines: Iterable[str]) -> dict[str, str]:
    """The variables of a shell that has evaluated these lines."""
    printed = in_bash("\n".join([*lines, "env -0"])).stdout
    variables = dict(line.split("=", 1) for line in printed.split("\0") if line)
    return {name: value for name, value in variables.items() if name not in OF_BASH}
