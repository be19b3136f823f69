"""The lines that a shell evaluates: into the local stack (`podium env`), and out of it (`podium env --unset`)."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping

from podium.aws_variables import KEPT, kept_changes, local_changes, without_local_stack
from podium.project import PYTHON, ROOT, TOOLS, LocalStack

WRAPPERS = ROOT / "podium" / "shell"  # `aws` and `sam`, which know that this shell is for the local stack
FOLDERS = [str(WRAPPERS), str(PYTHON)]  # first on PATH; the second has podium, and the Python that `sam build` takes
AWS = "PODIUM_AWS"  # the AWS CLI that the first of them runs
ANSWERS_WITHIN_S = 10.0


def exports(local: LocalStack, aws: str) -> Iterator[str]:
    """The variables that reach the local stack with the AWS CLI at `aws`, and a PATH that begins with FOLDERS."""
    changes = local_changes(os.environ, local.client_environment)
    yield from _assignments({**changes, KEPT: kept_changes(os.environ, changes), AWS: aws})
    if os.get_exec_path()[: len(FOLDERS)] != FOLDERS:
        yield f"export PATH={':'.join(map(shlex.quote, FOLDERS))}:$PATH"


def unsets() -> Iterator[str]:
    """The variables as they were before `podium env`, and PATH without its folders."""
    own = without_local_stack(os.environ)
    changes = {name: own.get(name) for name in sorted({*os.environ, *own}) if own.get(name) != os.environ.get(name)}
    yield from _assignments({**changes, AWS: None})
    yield f"export PATH={shlex.quote(os.pathsep.join(_folders_without_ours()))}"


def newest_aws() -> str:
    """The AWS CLI on PATH or that of this project, whichever is newer; one that does not run is none."""
    ours = str(TOOLS / "aws")
    others = shutil.which("aws", path=os.pathsep.join(_folders_without_ours()))
    return others if others is not None and _version(others) > _version(ours) else ours


def _folders_without_ours() -> list[str]:
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    for at in range(len(folders) - 1, -1, -1):
        if folders[at : at + len(FOLDERS)] == FOLDERS:
            del folders[at : at + len(FOLDERS)]
    return folders


def _version(aws: str) -> tuple[int, ...]:
    """Of `aws-cli/2.17.1 Python/...`; empty if it does not say."""
    try:
        printed = subprocess.run(
            [aws, "--version"], capture_output=True, text=True, timeout=ANSWERS_WITHIN_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.match(r"aws-cli/(\d+(?:\.\d+)*)", printed.stdout)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def _assignments(changes: Mapping[str, str | None]) -> Iterator[str]:
    for name, value in changes.items():
        yield f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}"
