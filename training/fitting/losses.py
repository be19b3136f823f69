"""The loss: cross-entropy with label smoothing, class weights and focal factor."""

from __future__ import annotations

import torch
from timm.loss.class_weights import compute_class_weights
from torch import Tensor, nn
from torch.nn.functional import one_hot

from training.settings.config import TrainConfig

METHODS = {"inverse": "inv_freq", "effective": "effective_num"}  # timm's words for our own


class Loss(nn.Module):
    """Mean loss in nats of logits (N, C); targets are labels (N,) int64, or shares of the classes (N, C) that sum to 1.

    A label and its one-hot shares give the same loss. Smoothing is done here, for both, and nowhere else: targets come
    unsmoothed. With class weights it is the weighted mean, for labels as torch's `cross_entropy` has it. The focal factor
    (1 - p) ** gamma is that of every class's own p: Lin et al. 2017, https://arxiv.org/abs/1708.02002
    """

    weights: Tensor | None

    def __init__(self, *, smoothing: float = 0.0, gamma: float = 0.0, weights: Tensor | None = None) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.gamma = gamma
        self.register_buffer("weights", weights)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean, a float32 scalar on the logits' device."""
        class_count = logits.shape[1]
        shares = one_hot(targets, class_count).float() if targets.ndim == 1 else targets.float()
        smooth = shares * (1 - self.smoothing) + self.smoothing / class_count
        log_p = logits.float().log_softmax(dim=1)
        losses = -smooth * log_p
        if self.gamma:
            losses = losses * (-log_p.expm1()).clamp_min(1e-12) ** self.gamma  # of 0, a root has no gradient
        if self.weights is None:
            return losses.sum() / len(logits)
        return (losses * self.weights).sum() / (shares * self.weights).sum()


def make_loss(config: TrainConfig, labels: Tensor, class_count: int, device: torch.device) -> Loss:
    """The configured loss; class weights follow from the training photos' `labels` (N,), and are 1 on average."""
    weights = None
    if config.class_weights != "none":
        counts = torch.bincount(labels.cpu(), minlength=class_count)
        _, weights = compute_class_weights(counts, len(labels), method=METHODS[config.class_weights])
    return Loss(smoothing=config.label_smoothing, gamma=config.focal_gamma, weights=weights).to(device)
