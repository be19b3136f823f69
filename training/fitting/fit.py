"""What the steps of a training share, made once from settings, network and photos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from timm.layers.norm_act import convert_sync_batchnorm
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn

from training.augment.mixing import Mixing
from training.errors import WrongInput
from training.fitting.batches import Batches, make_batches
from training.fitting.checkpoint import VERSION, load_optimizer, optimizer_tensors
from training.fitting.losses import make_loss
from training.fitting.optimisation import create_optimizer
from training.fitting.order import BatchOrder
from training.fitting.schedule import Schedule
from training.fitting.state import State
from training.model.model_file import Preprocessing
from training.photos.photos import Photos
from training.photos.pixels import memory_format
from training.processes import World
from training.settings.config import TrainConfig

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Fit:
    """One training on one device; `config` holds no `auto` any more."""

    config: TrainConfig
    world: World
    device: torch.device
    preprocessing: Preprocessing
    network: nn.Module  # the plain one, whose weights are kept
    forward: nn.Module  # the same, compiled and wrapped for several processes
    average: ModelEmaV3 | None
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    schedule: Schedule
    batches: Batches
    class_count: int
    loss_of: nn.Module
    version: int  # of what the settings mean: that of the checkpoint which it goes on from

    @property
    def judged(self) -> nn.Module:
        """The model that is validated and kept: the averaged one where weights are averaged."""
        return self.network if self.average is None else self.average.module

    @property
    def dtype(self) -> torch.dtype:
        """Of the forward pass."""
        return DTYPES[self.config.precision]

    def mixing(self, epoch: int) -> Mixing:
        """What is done to the batches of an epoch."""
        return Mixing(self.config.in_epoch(epoch), self.class_count, std=self.preprocessing.std)

    def tensors(self, state: State) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that a checkpoint holds: tensors under flat names, and facts for JSON."""
        slots, plain = optimizer_tensors(self.optimizer)
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"optimizer.{name}": value for name, value in slots.items()}
        if self.average is not None:
            tensors |= {f"average.{name}": value for name, value in self.average.module.state_dict().items()}
        tensors |= {"tallies": state.tallies, "best_logits": state.best_logits}
        return tensors, {
            "state": state.facts(),
            "optimizer": plain,
            "scaler": self.scaler.state_dict(),
            "processes": self.world.size,
            "version": self.version,
        }

    def load(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> State:
        """Put back what `tensors` gave, and say where the training stood."""
        if facts["processes"] != self.world.size:
            raise WrongInput(
                f"The training ran with {facts['processes']} processes and is resumed with {self.world.size}: its batches"
                " would be others. Start as many."
            )
        self.network.load_state_dict(_under(tensors, "network."))
        if self.average is not None:
            self.average.module.load_state_dict(_under(tensors, "average."))
        load_optimizer(self.optimizer, _under(tensors, "optimizer."), facts["optimizer"])
        self.scaler.load_state_dict(facts["scaler"])
        tallies = tensors["tallies"].to(self.device)  # of all processes: the leading one goes on with them
        return State.of(
            facts["state"],
            tallies=tallies if self.world.leads else torch.zeros_like(tallies),
            best_logits=tensors["best_logits"],
        )


def make_fit(
    config: TrainConfig,
    network: nn.Module,
    preprocessing: Preprocessing,
    photos: Photos,
    device: torch.device,
    world: World,
    *,
    version: int = VERSION,
) -> Fit:
    """Everything that the steps need; `network` lies on the device already. Raises WrongInput."""
    assert not isinstance(config.batch_size, str)
    assert not isinstance(config.lr, str)
    order = BatchOrder(
        photos.training.labels, batch_size=config.batch_size, seed=config.seed, balanced=config.sampler == "balanced",
        rank=world.rank, size=world.size,
    )  # fmt: skip
    if world.size > 1 and config.batch_size * world.size > len(photos.training):
        raise WrongInput(
            f"{world.size} processes with batch_size = {config.batch_size} want {config.batch_size * world.size} photos a step, and"
            f" there are {len(photos.training)}. Lower batch_size, or start fewer processes."
        )
    batches = make_batches(photos, order, config, device)
    class_count = len(photos.listing.classes)
    if config.sync_batchnorm and world.size > 1:
        network = synchronised(network, device)
    return Fit(
        config=config,
        world=world,
        device=device,
        preprocessing=preprocessing,
        network=network,
        forward=_wrapped(network, config, device, world),
        average=ModelEmaV3(network, decay=config.ema_decay, use_warmup=True) if config.ema_decay else None,
        optimizer=create_optimizer(network, config, lr=config.lr, version=version),
        scaler=torch.amp.GradScaler(device.type, enabled=config.precision == "fp16"),
        schedule=Schedule(config, -(-len(batches) // config.accumulate)),
        batches=batches,
        class_count=class_count,
        loss_of=make_loss(config, photos.training.labels, class_count, device),
        version=version,
    )


def synchronised(network: nn.Module, device: torch.device) -> nn.Module:
    """The same network, its batch norms sharing their statistics; WrongInput where torch cannot, but on GPUs.

    By timm: torch's own conversion loses the activations that timm's batch norms bring along.
    """
    if device.type != "cuda":
        raise WrongInput(f"sync_batchnorm = true works on GPUs alone, and device is {device}. Leave it out.")
    converted: nn.Module = convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    return converted


def _wrapped(network: nn.Module, config: TrainConfig, device: torch.device, world: World) -> nn.Module:
    forward = network
    if world.size > 1:
        ids = [device.index] if device.type == "cuda" else None
        unused = config.freeze_epochs > 0 or config.freeze != "none"
        forward = nn.parallel.DistributedDataParallel(network, device_ids=ids, find_unused_parameters=unused)
    return cast(nn.Module, torch.compile(forward)) if config.compile else forward


def put_on(network: nn.Module, device: torch.device) -> nn.Module:
    """The network on its device, in the layout that is fastest there."""
    return network.to(device=device, memory_format=memory_format(device))  # type: ignore[call-overload,no-any-return]


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
