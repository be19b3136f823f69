"""The environment in which the SAM CLI builds and deploys."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from podium.local.deployment import deploy_to_aws, sam_environment
from podium.project import LocalStack
from podium.shown.shell import exports

STACK = LocalStack(emulator_port=4566, inference_port=8080, management_port=8081, metrics_port=8082, secret="local")


@pytest.fixture
def broken_shim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A python3.13 that stands first on PATH and runs nothing, as a pyenv shim of a version that is not installed."""
    shim = tmp_path / "shims" / "python3.13"
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(shim.parent), prepend=":")


def pip_of(python: str, environment: dict[str, str] | None = None) -> int:
    """The exit code of this line, as a shell finds its first word on PATH."""
    return subprocess.run(
        ["sh", "-c", f"{python} -m pip --version"], env=environment, capture_output=True, check=False
    ).returncode


@pytest.mark.usefixtures("broken_shim")
def test_sam_finds_a_python_with_pip_though_a_broken_shim_stands_first() -> None:
    assert pip_of("python3.13") == 127
    assert pip_of("python3.13", sam_environment({})) == 0


@pytest.mark.usefixtures("broken_shim")
def test_so_does_a_shell_that_evaluates_the_console_s_lines() -> None:
    lines = "; ".join(exports(STACK, "aws"))
    assert pip_of(f"{lines}; python3.13") == 0


def test_sam_gets_the_embedded_aws_and_the_caller_s_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMEBODYS_OWN", "kept")
    environment = sam_environment(STACK.client_environment)
    assert environment["AWS_ENDPOINT_URL"] == "https://127.0.0.1:4566"
    assert environment["SOMEBODYS_OWN"] == "kept"
    assert "ARCHITECTURE" not in environment
    assert sam_environment({}, "arm64")["ARCHITECTURE"] == "arm64"


def test_a_deployment_without_parameters_has_no_empty_list_of_them_which_sam_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sam = tmp_path / "sam"
    sam.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path / "asked"}\n')
    sam.chmod(0o755)
    monkeypatch.setattr("podium.local.deployment.TOOLS", tmp_path)
    monkeypatch.setattr("podium.local.deployment.LOGS", tmp_path)
    deploy_to_aws("photos", "eu-west-1", {}, lambda _: None, confirm=False)
    deploy_to_aws("photos", "eu-west-1", {"ModelName": ""}, lambda _: None, confirm=False)
    first, second = (tmp_path / "asked").read_text().split("validate")[1:]
    assert "--parameter-overrides" not in first
    assert second.count('--parameter-overrides ModelName=""') == 2
