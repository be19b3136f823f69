"""The network as it is served: pixels in, logits out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from inference.engines.network import NETWORK_ERRORS
from training.errors import TrainingError
from training.model.model_file import Preprocessing
from training.model.network import in_a_few_words

MAX_BATCH = 64  # what the server classifies at once, at most


class NotExported(TrainingError):
    """An engine does not know this network; `reason` is the sentence without what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}. Package it with --engine torch.")
        self.reason = reason


class ServingGraph(nn.Module):
    """uint8 (N, H, W, 3) to logits (N, C), float32: mean and std are part of the graph, and `half` computes in bf16."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, preprocessing: Preprocessing, *, half: bool = False) -> None:
        super().__init__()
        self.network = network.to(torch.bfloat16) if half else network
        self.half_precision = half
        self.register_buffer("mean", torch.tensor(preprocessing.mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(preprocessing.std).view(3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """As above; pixels lie in memory as channels_last wants them."""
        images = pixels.permute(0, 3, 1, 2).float().div(255).sub(self.mean).div(self.std)
        logits: Tensor = self.network(images.to(torch.bfloat16) if self.half_precision else images)
        return logits.float()


def exported(served: ServingGraph, preprocessing: Preprocessing, device: torch.device) -> torch.export.ExportedProgram:
    """The graph of a network in eval mode, for batches of 1 to MAX_BATCH images."""
    _, height, width = preprocessing.input_size
    pixels = torch.zeros((2, height, width, 3), dtype=torch.uint8, device=device)
    batch = torch.export.Dim("batch", min=1, max=MAX_BATCH)
    with torch.inference_mode():
        return torch.export.export(served, (pixels,), dynamic_shapes=({0: batch},))


@contextmanager
def exporting(engine: str, architecture: str, *errors: type[Exception]) -> Iterator[None]:
    """NotExported, for what torch and the engine's library (`errors`) raise over a network that they do not know."""
    kinds: tuple[type[Exception], ...] = (*NETWORK_ERRORS, *errors)
    try:
        yield
    except kinds as error:
        raise NotExported(f"{engine} cannot run {architecture} ({in_a_few_words(error)})") from error
