"""Logits of the validation photos during a training, and the figures of an epoch."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from training.model.model_file import Metrics, Preprocessing
from training.photos.pixels import memory_format, normalise
from training.processes import World

EVALUATION_BATCH = 128
ALONE = World()


@torch.inference_mode()
def logits_of(
    network: nn.Module, pixels: Tensor, preprocessing: Preprocessing, device: torch.device, world: World = ALONE
) -> Tensor:
    """Logits (N, C), float32 on the CPU, of uint8 photos (N, 3, S, S): full precision, eval mode, no augmentation.

    Several processes take whole batches in turn, so the logits are those of one process, bit for bit, and none is padded.
    """
    was_training = {name: module.training for name, module in network.named_modules()}
    network.eval()
    parts = {}
    for number, batch in enumerate(torch.split(pixels, EVALUATION_BATCH)):
        if number % world.size == world.rank:
            images = normalise(batch.to(device), preprocessing).contiguous(memory_format=memory_format(device))
            parts[number] = network(images).float().cpu()
    for name, module in network.named_modules():
        module.training = was_training[name]
    parts = world.collect(parts)
    return torch.cat([parts[number] for number in sorted(parts)])


def metrics_of(logits: Tensor, labels: Tensor) -> Metrics:
    """Top-1 and top-3 accuracy, 0 to 1, and cross-entropy in nats; logits (N, C), labels (N,)."""
    best = logits.topk(min(3, logits.shape[1]), dim=1).indices
    right = best == labels[:, None]
    return Metrics(
        top1=right[:, 0].float().mean().item(),
        top3=right.any(dim=1).float().mean().item(),
        loss=cross_entropy(logits, labels).item(),
    )


def macro_f1_of(logits: Tensor, labels: Tensor) -> float:
    """Mean over the classes that have photos of F1, 0 to 1; logits (N, C), labels (N,)."""
    answers = logits.argmax(dim=1)
    return float(f1_score(labels, answers, labels=np.unique(labels), average="macro", zero_division=0))
