"""How good a model is: logits of the validation photos, and what is counted from them."""

from __future__ import annotations

import torch
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
    count = logits.shape[1]
    answers = logits.argmax(dim=1)
    right = torch.bincount(labels[answers == labels], minlength=count).double()
    photos, answered = torch.bincount(labels, minlength=count), torch.bincount(answers, minlength=count)
    f1 = 2 * right / (photos + answered).clamp(min=1)
    return f1[photos > 0].mean().item()


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """95 % confidence interval of a share of `count` trials (Wilson 1927): honest near 0 and 1, where Wald's is not."""
    z = 1.959964
    centre = share + z * z / (2 * count)
    spread = z * ((share * (1 - share) + z * z / (4 * count)) / count) ** 0.5
    scale = 1 + z * z / count
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
