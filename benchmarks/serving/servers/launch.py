"""How a server is started: its command, its environment, and the requests that it takes."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.serving.photos import bundle
from benchmarks.serving.wire import post

ROOT = Path(__file__).parents[3]
# Large activations stay in the heap instead of being mapped and faulted in anew for every inference batch.
MALLOC = (
    "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:"
    "glibc.malloc.trim_threshold=17179869184:glibc.malloc.top_pad=268435456"
)
# What suits two workers of one thread each on two cores; every server gets it, except stock TorchServe.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "GLIBC_TUNABLES": MALLOC}


@dataclass(frozen=True)
class Job:
    """The model to serve, and the settings for it."""

    archive: Path
    folder: Path  # the archive, unpacked
    photo: Path  # any photo, to warm up with
    engine: str  # such as "openvino-bf16"
    workers: int
    home: Path  # empty; the server writes only here
    peers: Path  # the Python that has the other servers


@dataclass(frozen=True)
class Launch:
    """How one server is started, in one setting, and the requests that it takes."""

    name: str
    setting: str
    engine: str
    workers: int
    port: int
    home: Path
    command: Sequence[str]
    environment: dict[str, str]
    single: Callable[[bytes], bytes]
    many: Callable[[Sequence[bytes]], bytes] | None = None
    ready: Callable[[], bool] = field(default=lambda: True)  # beside answering a photo
    stopped_by: str = ""  # the program among its processes that gets SIGTERM; if empty, the started one


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def raw(path: str) -> Callable[[bytes], bytes]:
    """A request of one photo, which is its body."""
    return lambda photo: post(path, photo)


def tar(path: str) -> Callable[[Sequence[bytes]], bytes]:
    """A request of many photos, as a tar."""
    return lambda photos: post(path, bundle(photos), content_type="application/x-tar")


def peer_environment(job: Job, port: int) -> dict[str, str]:
    """The variables that the programs in `apps/` read."""
    return ONE_THREAD | {
        "SERVING_FOLDER": str(job.folder),
        "SERVING_ENGINE": job.engine,
        "SERVING_PHOTO": str(job.photo),
        "SERVING_WORKERS": str(job.workers),
        "SERVING_PORT": str(port),
        "PYTHONPATH": module_path(),
    }


def module_path() -> str:
    """The PYTHONPATH of the project's modules, the model server's included."""
    modules = [os.environ.get("PYTHONPATH", ""), str(ROOT / "model_server"), str(ROOT)]
    return os.pathsep.join(module for module in modules if module)


def environment(launch: Launch) -> dict[str, str]:
    """This process's environment with the launch's, and a temporary folder of its own.

    The project's modules are on its path only if the launch adds them: an archive has its own.
    """
    python = str(Path(launch.command[0]).parent)  # TorchServe starts its workers as `python`, whatever the PATH says
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return (
        inherited
        | {
            "PATH": f"{python}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "TMPDIR": str(launch.home / "tmp"),
            "TEMP": str(launch.home / "tmp"),
        }
        | launch.environment
    )
