"""Stock TorchServe: its own `image_classifier` with the same weights, in several configurations."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from benchmarks.serving.servers import torchserve
from benchmarks.serving.servers.launch import ONE_THREAD, ROOT, Job, Launch, raw

HANDLER = "image_classifier"
ENGINE = "torch-fp32"
PROPERTIES = "metrics_mode=prometheus\n"
# One class without arguments, as TorchServe wants it.
MODEL = """\
import timm
from torch import nn


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = timm.create_model({architecture!r}, num_classes={classes}, **{arguments!r})

    def forward(self, images):
        return self.network(images)
"""


@dataclass(frozen=True)
class Setting:
    """One way to configure it."""

    text: str
    workers: int
    batch: int
    delay_ms: int
    environment: dict[str, str] = field(default_factory=dict)
    model_config: dict[str, Any] = field(default_factory=dict)


def settings(workers: int) -> list[Setting]:
    """The configurations that a person would try; the first is the default with one worker."""
    one_thread = {"OMP_NUM_THREADS": "1"}
    return [
        Setting("1 worker, batch 1", 1, 1, 1),
        Setting("1 worker, batch 8", 1, 8, 20),
        Setting(f"{workers} workers x 1 thread, batch 1", workers, 1, 1, one_thread),
        Setting(f"{workers} workers x 1 thread, batch 8", workers, 8, 20, one_thread),
    ]


def compiled_setting() -> Setting:
    """torch.compile with frozen weights and a tuned malloc, as after a profile."""
    tuned = {"TORCHINDUCTOR_FREEZING": "1", "GLIBC_TUNABLES": ONE_THREAD["GLIBC_TUNABLES"]}
    compile_it = {"pt2": {"compile": {"enable": True, "backend": "inductor"}}}
    return Setting("1 worker, batch 1, torch.compile, tuned malloc", 1, 1, 1, tuned, compile_it)


def launch(job: Job, setting: Setting, *, name: str = "torchserve") -> Launch:
    """TorchServe with the stock handler in this setting."""
    model = torchserve.model_name(job.folder)
    store = job.home / "store"
    store.mkdir(parents=True)
    archive = _archive(job, setting, store / f"{model}.mar", model)
    ports = torchserve.write_properties(job.home / "config.properties", PROPERTIES)
    return Launch(
        name=name,
        setting=setting.text,
        engine=ENGINE,
        workers=setting.workers,
        port=ports["inference_address"],
        home=job.home,
        command=torchserve.command(
            job.peers,
            home=job.home,
            store=store,
            archive=archive,
            name=model,
            properties=job.home / "config.properties",
        ),
        environment=torchserve.environment(job.home) | setting.environment,
        single=raw(f"/predictions/{model}"),
        ready=torchserve.workers_ready(ports["management_address"], model),
        stopped_by=torchserve.PROGRAM,
    )


def _archive(job: Job, setting: Setting, target: Path, name: str) -> Path:
    document = json.loads((job.folder / "model.json").read_text(encoding="utf-8"))
    weights = job.home / "weights.pt"
    convert = [sys.executable, "-c", _CONVERT, str(job.folder / document["weights"]["file"]), str(weights)]
    subprocess.run(convert, check=True, cwd=ROOT)
    config = {
        "minWorkers": setting.workers, "maxWorkers": setting.workers, "batchSize": setting.batch,
        "maxBatchDelay": setting.delay_ms, "responseTimeout": 120, "startupTimeout": 180, "deviceType": "cpu",
    }  # fmt: skip
    source = MODEL.format(
        architecture=document["architecture"], classes=len(document["classes"]), arguments=document["model_args"]
    )
    files: dict[str, Path | str] = {
        "model.py": source,
        "weights.pt": weights,
        "index_to_name.json": json.dumps({str(n): label for n, label in enumerate(document["classes"])}),
        torchserve.MODEL_CONFIG: yaml.safe_dump(config | setting.model_config),
    }
    return torchserve.pack(target, files, name=name, handler=HANDLER)


# In a process of its own, so that the one that measures stays small.
_CONVERT = """
import sys, torch
from safetensors.torch import load_file
torch.save({f"network.{key}": value for key, value in load_file(sys.argv[1]).items()}, sys.argv[2])
"""
