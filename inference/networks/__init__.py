"""Models that timm lacks: importing this package registers them, so that `timm.create_model` knows their names."""

from __future__ import annotations

from inference.networks.plain_cnn import PlainCNN, plain_cnn

__all__ = ["PlainCNN", "plain_cnn"]
