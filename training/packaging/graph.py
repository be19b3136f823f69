"""The network as it is served: pixels in, logits out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.model.model_file import Preprocessing

MAX_BATCH = 64  # what the server classifies at once, at most


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
