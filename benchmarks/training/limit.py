"""The limit: forward, loss, backward and update on random pixels that are already on the device, as a process.

python -m benchmarks.training.limit '{"data": "...", "run": "...", "model": "..."}' CLASSES
"""

from __future__ import annotations

import json
import sys

import torch
from torch.nn.functional import cross_entropy

from benchmarks.training.gate import Gate, tell, wait_for
from training.fitting.fit import put_on
from training.fitting.freed_memory import keep_freed_memory
from training.fitting.optimisation import create_optimizer
from training.model.network import DTYPES, choose_device, create_network
from training.photos.pixels import memory_format
from training.settings.config import checked
from training.settings.settled import Settled


def main() -> None:
    """Train on the same batch as long as steps are requested; no setting is `auto`."""
    settings, class_count = checked(Settled, json.loads(sys.argv[1])), int(sys.argv[2])
    torch.set_num_threads(settings.threads)
    device = choose_device(settings.device)
    torch.backends.cudnn.benchmark = True  # the limit is what the machine can do
    if device.type == "cpu":
        keep_freed_memory()
    tell({})
    gate = Gate(wait_for(device))
    gate.open()
    _steps(settings, class_count, device, gate)


def _steps(settings: Settled, class_count: int, device: torch.device, gate: Gate) -> None:
    shape, dtype = (settings.batch_size, 3, settings.crop_size, settings.crop_size), DTYPES[settings.precision]
    images = torch.randn(shape, device=device).contiguous(memory_format=memory_format(device))
    labels = torch.randint(class_count, (settings.batch_size,), device=device)
    network = put_on(create_network(settings, class_count), device).train()
    optimizer = create_optimizer(network, settings, lr=settings.lr)
    while True:
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            logits = network(images)
        cross_entropy(logits.float(), labels, label_smoothing=settings.label_smoothing).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        gate.step()


if __name__ == "__main__":
    main()
