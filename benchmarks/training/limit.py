"""The limit: forward, loss, backward and update on random pixels that lie on the device already, as a process.

python -m benchmarks.training.limit '{"config": {...}, "classes": 15}'
"""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy

from benchmarks.training.gate import Gate, tell, wait_for
from benchmarks.training.setup import Setup, set_up
from training.data.pixels import memory_format
from training.fitting.fit import DTYPES
from training.fitting.optimisation import create_optimizer


def main() -> None:
    """Train on the same batch until nobody asks for more steps."""
    setup = set_up()
    torch.backends.cudnn.benchmark = True  # the limit is what the machine can do
    tell(setup.facts())
    gate = Gate(wait_for(setup.device))
    gate.open()
    _steps(setup, gate)


def _steps(setup: Setup, gate: Gate) -> None:
    config, device = setup.config, setup.device
    assert not isinstance(config.batch_size, str)
    assert not isinstance(config.lr, str)
    size, dtype = config.crop_size, DTYPES[config.precision]
    images = torch.randn(config.batch_size, 3, size, size, device=device).contiguous(
        memory_format=memory_format(device)
    )
    labels = torch.randint(setup.class_count, (config.batch_size,), device=device)
    optimizer = create_optimizer(setup.network, config, lr=config.lr)
    setup.network.train()
    while True:
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            logits = setup.network(images)
        cross_entropy(logits.float(), labels, label_smoothing=config.label_smoothing).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        gate.step()


if __name__ == "__main__":
    main()
