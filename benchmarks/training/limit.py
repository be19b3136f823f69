"""The limit: forward, loss, backward and update on random pixels that lie on the device already, as a process.

python -m benchmarks.training.limit '{"data": "...", "run": "...", "model": "..."}' CLASSES
"""

from __future__ import annotations

import json
import sys

import torch
from torch.nn.functional import cross_entropy

from benchmarks.training.gate import Gate, tell, wait_for
from training.fitting.fit import DTYPES, put_on
from training.fitting.freed_memory import keep_freed_memory
from training.fitting.optimisation import create_optimizer
from training.model.network import choose_device, create_network
from training.photos.pixels import memory_format
from training.settings.config import TrainConfig, make_config


def main() -> None:
    """Train on the same batch until nobody asks for more steps; the settings hold no `auto` any more."""
    config, class_count = make_config(json.loads(sys.argv[1])), int(sys.argv[2])
    torch.set_num_threads(config.threads or 1)
    device = choose_device(config.device)
    torch.backends.cudnn.benchmark = True  # the limit is what the machine can do
    if device.type == "cpu":
        keep_freed_memory()
    tell({})
    gate = Gate(wait_for(device))
    gate.open()
    _steps(config, class_count, device, gate)


def _steps(config: TrainConfig, class_count: int, device: torch.device, gate: Gate) -> None:
    assert not isinstance(config.batch_size, str)
    assert not isinstance(config.lr, str)
    shape, dtype = (config.batch_size, 3, config.crop_size, config.crop_size), DTYPES[config.precision]
    images = torch.randn(shape, device=device).contiguous(memory_format=memory_format(device))
    labels = torch.randint(class_count, (config.batch_size,), device=device)
    network = put_on(create_network(config, class_count), device).train()
    optimizer = create_optimizer(network, config, lr=config.lr)
    while True:
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            logits = network(images)
        cross_entropy(logits.float(), labels, label_smoothing=config.label_smoothing).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        gate.step()


if __name__ == "__main__":
    main()
