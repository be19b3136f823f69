"""Archives to serve: made as training makes them, with a tiny network of random weights. Importing needs no torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference.archive.digest import file_sha256
from tests.inference.images.pictures import jpeg
from tests.model_server.odd_photos import soft

if TYPE_CHECKING:
    from torch import nn

ROOT = Path(__file__).parents[2]
CLASSES = ("baseball", "golf ball", "tennis ball", "volleyball")
PREPROCESSING: dict[str, Any] = {
    "input_size": [3, 64, 64],
    "interpolation": "bicubic",
    "crop_pct": 1.0,
    "crop_mode": "center",
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
}


def model_document(weights_sha256: str, **changed: object) -> dict[str, Any]:
    """A whole model.json, as training writes it; `changed` replaces top-level fields."""
    return {
        "schema_version": "1.0",
        "name": "balls",
        "version": "1.0",
        "architecture": "test_resnet",
        "model_args": {},
        "weights": {"file": "model.safetensors", "sha256": weights_sha256},
        "classes": list(CLASSES),
        "preprocessing": PREPROCESSING,
        "temperature": 1.0,
        "uncertainty": {"threshold": 0.0, "target_accuracy": 0.95, "coverage": 1.0},
        "data": {"fingerprint": "0" * 64, "train_images": 16, "validation_images": 4},
        "metrics": {"top1": 0.5, "top3": 1.0, "loss": 1.0},
        "versions": {},
        "git_commit": None,
        "created_at": "2026-11-21T00:00:00Z",
        "engines": [],
        **changed,
    }


def tiny_network(architecture: str = "test_resnet", class_count: int = len(CLASSES), **model_args: Any) -> nn.Module:  # noqa: ANN401 - timm's own
    """A network of random weights that is sure of its predictions, in eval mode; the same one each time."""
    import timm
    import torch

    torch.manual_seed(1)
    network = timm.create_model(architecture, num_classes=class_count, **model_args)
    head = network.get_classifier()  # type: ignore[operator]
    torch.nn.init.normal_(head.weight, std=3.0)  # timm's own is so small that all classes tie
    return network.eval()


def write_model(folder: Path, network: nn.Module, **changed: object) -> Path:
    """The weights and the model.json of a network: what a training leaves behind, and what an archive holds."""
    from safetensors.torch import save_model

    folder.mkdir(parents=True, exist_ok=True)
    save_model(network, str(folder / "model.safetensors"))
    document = model_document(file_sha256(folder / "model.safetensors"), **changed)
    (folder / "model.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def write_golden(folder: Path) -> Path:
    """The golden predictions of the network that lies in `folder`, whatever they are."""
    from training.model.network import load_run
    from training.packaging.golden_pictures import golden_document

    (folder / "golden.json").write_text(golden_document(*load_run(folder)), encoding="utf-8")
    return folder


def write_unpacked(folder: Path, *, classes: tuple[str, ...] = CLASSES, **changed: object) -> Path:
    """What TorchServe unpacks from a .mar, in `folder`; `changed` replaces top-level fields of model.json."""
    network = tiny_network(class_count=len(classes))
    write_golden(write_model(folder, network, classes=list(classes), **changed))
    shutil.copy(ROOT / "model_server" / "handler.py", folder)
    for package in (ROOT / "inference", ROOT / "model_server" / "serving"):
        shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "model_server" / "model-config.yaml", folder)
    return folder


def change(archive: Path, **fields: object) -> Path:
    """An unpacked archive with other top-level fields in its model.json."""
    document = json.loads((archive / "model.json").read_text())
    (archive / "model.json").write_text(json.dumps(document | fields))
    return archive


def write_run(folder: Path, data: Path) -> Path:
    """What the training of the tiny network would leave behind in `folder`; its photos lie in `data`."""
    from training.data.listing import list_photos, write_split
    from training.settings.config import make_config, write_config

    for number in range(24):
        path = data / CLASSES[number % len(CLASSES)] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(soft(90, 70, seed=number)))
    write_model(folder, tiny_network(), name=None, version=None, preprocessing=PREPROCESSING | {"crop_pct": 0.8})
    config = make_config({"data": str(data), "run": folder, "validation_share": 0.5})
    write_config(config, folder / "config.yaml")
    write_split(list_photos(config), folder / "split.csv")
    return folder


def packaged(run: Path, store: Path, **options: Any) -> Path:  # noqa: ANN401 - package_run's own
    """A run as `podium package` packs it, and TorchServe unpacks it."""
    from podium.archives import package_run

    mar = package_run(run, name="balls", version="1.0", out=store, **options)
    with zipfile.ZipFile(mar) as opened:
        opened.extractall(store / "unpacked")
    return store / "unpacked"


def pack(unpacked: Path, store: Path, temporary: Path) -> Path:
    """`balls.mar` in `store`, made by the real torch-model-archiver from what is to be in it."""
    extras = temporary / "extras"
    shutil.copytree(unpacked, extras)
    (extras / "handler.py").unlink()
    (extras / "model-config.yaml").unlink()
    store.mkdir(parents=True, exist_ok=True)
    archiver = [str(Path(sys.executable).parent / "torch-model-archiver"), "--model-name", "balls", "--version", "1.0"]
    archiver += ["--handler", str(unpacked / "handler.py"), "--config-file", str(unpacked / "model-config.yaml")]
    archiver += ["--extra-files", str(extras), "--export-path", str(store)]
    # The archiver stages in TMPDIR/<model name>, and first deletes what it finds there.
    subprocess.run(archiver, env={"TMPDIR": str(temporary), "PATH": ""}, check=True, capture_output=True)
    return store / "balls.mar"


@dataclass
class FakeContext:
    """What TorchServe hands to the handler, as far as the handler uses it; `settings` are model-config.yaml's."""

    folder: Path
    settings: Mapping[str, object] = field(default_factory=dict)
    request_headers: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    metrics: Any = None
    statuses: dict[int, tuple[int, str]] = field(default_factory=dict)
    headers: dict[int, dict[str, str]] = field(default_factory=dict)

    @property
    def system_properties(self) -> dict[str, object]:
        return {"model_dir": str(self.folder), "gpu_id": None}

    @property
    def model_yaml_config(self) -> dict[str, object]:
        return {"handler": self.settings}

    def get_request_header(self, idx: int, key: str) -> str | None:
        return self.request_headers.get(idx, {}).get(key)

    def get_all_request_header(self, idx: int) -> Mapping[str, object]:
        return self.request_headers.get(idx, {})

    def set_response_status(self, code: int, phrase: str, idx: int) -> None:
        self.statuses[idx] = (code, phrase)

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        self.headers.setdefault(idx, {})[key] = value
