"""Deploying template.yaml with the real SAM CLI, to the emulator or to AWS alike."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from podium.aws_variables import local_environment, own_environment
from podium.connection import SOURCE_TAG, Connection
from podium.errors import ConsoleError
from podium.project import HOME, LOGS, PYTHON, ROOT, TOOLS, LocalStack

EMPTY = '""'  # as the SAM CLI writes it
OnLine = Callable[[str], None]


def deploy_locally(local: LocalStack, parameters: Mapping[str, str], on_line: OnLine) -> bool:
    """Validate, build and deploy to the emulator; False if the stack there was deployed from the same files already."""
    parameters = {"Architecture": _machine(), **parameters}
    source = _fingerprint(parameters)
    if Connection(None).source_tag == source:
        return False
    overrides = ["--parameter-overrides", *_overrides(parameters)]
    # Named, because the SAM CLI looks for it beside the built template.
    config = ["--config-file", str(ROOT / "samconfig.toml"), "--config-env", "local"]
    # In this stack's home: two local stacks on one machine would else overwrite each other's build.
    build = HOME / "build"
    built = ["--template-file", str(build / "template.yaml")]
    environment = local.client_environment
    _sam(["validate", "--lint", *config], environment, on_line)
    _forget_damaged_build()
    cached = ["--cached", "--cache-dir", str(HOME / "build-cache")]  # a change of the model builds no function anew
    template = ["--template-file", str(ROOT / "template.yaml")]
    # It keeps what it has installed for each function below the folder that it runs in.
    _sam(
        ["build", *template, "--build-dir", str(build), *cached, *config, *overrides], environment, on_line, folder=HOME,
        architecture=parameters["Architecture"],
    )  # fmt: skip
    _sam(["deploy", *built, *config, *overrides, "--tags", f"{SOURCE_TAG}={source}"], environment, on_line)
    return True


def _forget_damaged_build() -> None:
    """The SAM CLI keeps beside its build what it built from; it ends in a traceback if that is damaged."""
    built = HOME / "build.toml"
    try:
        tomllib.loads(built.read_bytes().decode())
    except FileNotFoundError:
        return
    except ValueError:
        built.unlink()


def built_for(connection: Connection, chosen: Mapping[str, str]) -> dict[str, str]:
    """The chosen parameters, and the architecture that a deployed stack has and keeps: `sam build` must build for it."""
    if not connection.is_deployed:
        return dict(chosen)
    return {"Architecture": connection.parameters["Architecture"], **chosen}


def deploy_to_aws(stack: str, region: str, parameters: Mapping[str, str], on_line: OnLine, *, confirm: bool) -> None:
    """Validate, build and deploy to the account of the person's AWS profile."""
    overrides = ["--parameter-overrides", *_overrides(parameters)] if parameters else []  # sam takes no empty list
    there = ["--region", region]
    _sam(["validate", "--lint", *there], {}, on_line)
    _sam(["build", *overrides, *there], {}, on_line, architecture=parameters.get("Architecture"))
    asks = [] if confirm else ["--no-confirm-changeset"]
    _sam(["deploy", "--stack-name", stack, *overrides, *asks, *there], {}, None if confirm else on_line)


def deploy_step_to_aws(stack: str, region: str, architecture: str, template: str, on_line: OnLine) -> None:
    """Deploy this template in place of template.yaml to a stack that is there; its parameters stay as they are."""
    step = ROOT / ".template-step.yaml"  # beside template.yaml: it names folders by their place
    there = ["--region", region]
    step.write_text(template, encoding="utf-8")
    try:
        named = ["--template-file", str(step), "--parameter-overrides", f"Architecture={architecture}"]
        cached = ["--cached", "--cache-dir", str(HOME / "build-cache")]  # the steps differ in no function
        _sam(["build", *named, *cached, *there], {}, on_line, architecture=architecture)
    finally:
        step.unlink()
    _sam(
        ["deploy", "--stack-name", stack, "--no-confirm-changeset", "--no-fail-on-empty-changeset", *there], {}, on_line
    )


def _sam(
    arguments: Sequence[str], environment: Mapping[str, str], on_line: OnLine | None, *, folder: Path = ROOT,
    architecture: str | None = None,
) -> None:  # fmt: skip
    """Run the SAM CLI. Without `on_line` it has the terminal and asks its questions there."""
    command, settings = [str(TOOLS / "sam"), *arguments], sam_environment(environment, architecture)
    if on_line is None:
        code, tail = subprocess.run(command, cwd=folder, env=settings, check=False).returncode, list[str]()
    else:
        code, tail = _stream(command, settings, on_line, folder)
    if code != 0:
        raise ConsoleError(
            f"`sam {' '.join(arguments[:1])}` failed; {'its last lines:' if tail else 'see above.'}", below=tail
        )


def sam_environment(variables: Mapping[str, str], architecture: str | None = None) -> dict[str, str]:
    """The environment of the SAM CLI: with the local stack's variables, or the person's own, and the functions' Python first.

    `sam build` takes the first python3.13 of PATH. That may be a pyenv shim, which runs nothing, or one without pip.
    For `architecture`, inference/Makefile makes the layer.
    """
    path = os.pathsep.join([str(PYTHON), str(TOOLS), os.environ.get("PATH", os.defpath)])
    aws = local_environment(os.environ, variables) if variables else own_environment(os.environ)
    return {**aws, "PATH": path, "SAM_CLI_TELEMETRY": "0", **({"ARCHITECTURE": architecture} if architecture else {})}


def _stream(
    command: Sequence[str], settings: Mapping[str, str], on_line: OnLine, folder: Path
) -> tuple[int, list[str]]:
    LOGS.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    with (
        (LOGS / "sam.log").open("a") as log,
        subprocess.Popen(
            command,
            cwd=folder,
            env=settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        for line in process.stdout or ():
            log.write(line)
            if line.strip():
                lines.append(line.rstrip())
            if any(character.isalpha() for character in line) and not line.startswith("[*]"):
                on_line(line.strip())
    return process.returncode, lines[-15:]


def _overrides(parameters: Mapping[str, str]) -> list[str]:
    return [f"{name}={value or EMPTY}" for name, value in sorted(parameters.items())]


def _machine() -> str:
    """The emulator runs functions as processes of this machine, so they are built for it."""
    return "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"


def _fingerprint(parameters: Mapping[str, str]) -> str:
    """A digest of the template, the functions and the parameters."""
    digest = hashlib.sha256(repr(sorted(parameters.items())).encode())
    sources = [ROOT / "template.yaml", ROOT / "samconfig.toml"]
    sources += sorted((ROOT / "functions").rglob("*")) + sorted((ROOT / "inference").rglob("*"))
    for source in sources:
        if source.is_file() and "__pycache__" not in source.parts:
            digest.update(f"{source.relative_to(ROOT)}\0".encode() + source.read_bytes())
    return digest.hexdigest()
