"""The processes that train together: one by itself, or those that torchrun started."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

PATIENCE = timedelta(
    hours=24
)  # the others wait while the leading process downloads and decodes: torch's 10 minutes are too few


@dataclass(frozen=True)
class World:
    """This process's place among all of them."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes files and reports."""
        return self.rank == 0

    def wait(self) -> None:
        """Return when every process has called this."""
        if self.size > 1:
            dist.barrier()

    def leader_first[Value](self, do: Callable[[], Value]) -> Value:
        """Do it in the leading process, then in the others: these find what the first has downloaded or cached."""
        if not self.leads:
            self.wait()
        done = do()
        if self.leads:
            self.wait()
        return done

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether the flag is up in any process; all must call this at the same step."""
        if self.size == 1:
            return flag
        raised = torch.tensor(float(flag), device=device)
        dist.all_reduce(raised, dist.ReduceOp.MAX)
        return bool(raised.item())

    def add(self, value: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.size > 1:
            dist.all_reduce(value)
        return value

    def as_the_leader[Value](self, value: Value) -> Value:
        """The leading process's value, in every process."""
        return self.by_the_leader(lambda: value)

    def by_the_leader[Value](self, do: Callable[[], Value]) -> Value:
        """Do it in the leading process only; the others wait, and get its result."""
        done: list[Any] = [do() if self.leads else None]
        if self.size > 1:
            dist.broadcast_object_list(done)
        value: Value = done[0]
        return value

    def share_statistics(self, network: nn.Module) -> None:
        """Give every process the leading one's buffers: batch norm counts in each process for itself."""
        if self.size > 1:
            for buffer in network.buffers():
                dist.broadcast(buffer, 0)

    def collect(self, part: dict[int, Tensor]) -> dict[int, Tensor]:
        """All processes' numbered parts, in every process."""
        if self.size == 1:
            return part
        parts: list[dict[int, Tensor] | None] = [None] * self.size
        dist.all_gather_object(parts, part)
        return {number: tensor for one in parts if one for number, tensor in one.items()}


@contextmanager
def joined(device: str) -> Iterator[tuple[World, str]]:
    """This process's place, and the device that is its own: `cuda` becomes `cuda:LOCAL_RANK`.

    Only this function reads torchrun's environment. NCCL between GPUs, gloo between CPUs.
    """
    if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield World(), device
        return
    gpu = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    own = f"cuda:{int(os.environ['LOCAL_RANK'])}" if gpu else "cpu"
    if gpu:
        torch.cuda.set_device(own)
    dist.init_process_group("nccl" if gpu else "gloo", timeout=PATIENCE)
    try:
        yield World(dist.get_rank(), dist.get_world_size()), own
    finally:
        dist.destroy_process_group()
