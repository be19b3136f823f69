"""Everything that the steps of a training share, made once from settings, network and photos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from timm.layers.norm_act import convert_sync_batchnorm
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn

from training.augment.mixing import Mixing
from training.errors import TrainingError, WrongInput
from training.fitting.batches import Batches, make_batches
from training.fitting.checkpoint import load_optimizer, optimizer_tensors
from training.fitting.losses import make_loss
from training.fitting.optimisation import create_optimizer
from training.fitting.order import BatchOrder
from training.fitting.schedule import Schedule
from training.fitting.state import TrainingState
from training.memory import is_out_of_memory
from training.model.model_file import Preprocessing
from training.photos.photos import Photos
from training.photos.pixels import memory_format
from training.processes import World
from training.settings.settled import Settled


@dataclass(frozen=True)
class Fit:
    """One training on one device."""

    settings: Settled
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

    @property
    def kept_network(self) -> nn.Module:
        """The network that is validated and kept: the average, if weights are averaged."""
        return self.network if self.average is None else self.average.module

    def mixing(self, epoch: int) -> Mixing:
        """The mixing of the batches of an epoch."""
        return Mixing(self.settings.in_epoch(epoch), self.class_count, std=self.preprocessing.std)

    def tensors(self, state: TrainingState) -> tuple[dict[str, Tensor], dict[str, Any]]:
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
        }

    def load(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> TrainingState:
        """Put back what `tensors` gave; returns the state of that training. Raises TrainingError if that was another one."""
        try:
            return self._put_back(tensors, facts)
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            if is_out_of_memory(error):
                raise
            words = " ".join(str(error).split())[:200]
            raise TrainingError(
                f"The checkpoint in {self.settings.run} is not of this training ({words}). Bring its own, or train again."
            ) from error

    def _put_back(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> TrainingState:
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
        return TrainingState.of(
            facts["state"],
            tallies=tallies if self.world.leads else torch.zeros_like(tallies),
            best_logits=tensors["best_logits"],
        )


def make_fit(
    settings: Settled,
    network: nn.Module,
    preprocessing: Preprocessing,
    photos: Photos,
    device: torch.device,
    world: World,
) -> Fit:
    """Everything that the steps need; `network` lies on the device already. Raises WrongInput."""
    order = BatchOrder(
        photos.training.labels, batch_size=settings.batch_size, seed=settings.seed, balanced=settings.sampler == "balanced",
        rank=world.rank, size=world.size,
    )  # fmt: skip
    if world.size > 1 and settings.batch_size * world.size > len(photos.training):
        raise WrongInput(
            f"{world.size} processes with batch_size = {settings.batch_size} want {settings.batch_size * world.size} photos a step, and"
            f" there are {len(photos.training)}. Lower batch_size, or start fewer processes."
        )
    batches = make_batches(photos, order, settings, device)
    class_count = len(photos.listing.classes)
    if settings.sync_batchnorm and world.size > 1:
        network = synchronised(network, device)
    return Fit(
        settings=settings,
        world=world,
        device=device,
        preprocessing=preprocessing,
        network=network,
        forward=_wrapped(network, settings, device, world),
        average=ModelEmaV3(network, decay=settings.ema_decay, use_warmup=True) if settings.ema_decay else None,
        optimizer=create_optimizer(network, settings, lr=settings.lr),
        scaler=torch.amp.GradScaler(device.type, enabled=settings.precision == "fp16"),
        schedule=Schedule(settings, -(-len(batches) // settings.accumulate)),
        batches=batches,
        class_count=class_count,
        loss_of=make_loss(settings, photos.training.labels, class_count, device),
    )


def synchronised(network: nn.Module, device: torch.device) -> nn.Module:
    """The same network, its batch norms sharing their statistics; WrongInput without a GPU: torch cannot share there.

    By timm: torch's own conversion loses the activations that timm's batch norms bring along.
    """
    if device.type != "cuda":
        raise WrongInput(f"sync_batchnorm = true works only on GPUs, and device is {device}. Leave it out.")
    converted: nn.Module = convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    return converted


def _wrapped(network: nn.Module, settings: Settled, device: torch.device, world: World) -> nn.Module:
    forward = network
    if world.size > 1:
        ids = [device.index] if device.type == "cuda" else None
        unused = settings.freeze_epochs > 0 or settings.freeze != "none"
        forward = nn.parallel.DistributedDataParallel(network, device_ids=ids, find_unused_parameters=unused)
    return cast(nn.Module, torch.compile(forward)) if settings.compile else forward


def put_on(network: nn.Module, device: torch.device) -> nn.Module:
    """The network on its device, in the layout that is fastest there."""
    return network.to(device=device, memory_format=memory_format(device))  # type: ignore[call-overload,no-any-return]


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
