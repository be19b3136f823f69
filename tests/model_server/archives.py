"""Archives to serve: made as training makes them, with a tiny network of random weights. Importing needs no torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imagefile.content import file_sha256

ROOT = Path(__file__).parents[2]
CLASSES = ("baseball", "golf ball", "tennis ball", "volleyball")
PREPROCESSING = {
    "input_size": [3, 64, 64],
    "interpolation": "bicubic",
    "crop_pct": 1.0,
    "crop_mode": "center",
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
}


def model_document(weights_sha256: str, **changed: object) -> dict[str, Any]:
    """A whole model.json; `changed` replaces top-level fields."""
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
        **changed,
    }


def write_unpacked(folder: Path, *, classes: tuple[str, ...] = CLASSES, **changed: object) -> Path:
    """What TorchServe unpacks from a .mar, in `folder`; `changed` replaces top-level fields of model.json."""
    import timm
    import torch
    from safetensors.torch import save_model

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    network = timm.create_model("test_resnet", num_classes=len(classes))
    torch.nn.init.normal_(network.get_parameter("fc.weight"), std=3.0)  # timm's own is so small that all classes tie
    save_model(network, str(folder / "model.safetensors"))
    document = model_document(file_sha256(folder / "model.safetensors"), classes=list(classes), **changed)
    (folder / "model.json").write_text(json.dumps(document), encoding="utf-8")
    for module in (ROOT / "model_server").glob("*.py"):
        shutil.copy(module, folder)
    shutil.copytree(ROOT / "imagefile", folder / "imagefile", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "model_server" / "model-config.yaml", folder)
    return folder


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
    """What TorchServe hands to the handler, as far as the handler uses it."""

    folder: Path
    threads: object = 1
    system_properties: dict[str, object] = field(init=False)
    model_yaml_config: dict[str, object] = field(init=False)
    statuses: dict[int, tuple[int, str]] = field(default_factory=dict)
    content_types: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.system_properties = {"model_dir": str(self.folder), "gpu_id": None}
        self.model_yaml_config = {"handler": {"threads": self.threads}}

    def set_response_status(self, code: int, phrase: str, idx: int) -> None:
        self.statuses[idx] = (code, phrase)

    def set_response_content_type(self, idx: int, value: str) -> None:
        self.content_types[idx] = value
