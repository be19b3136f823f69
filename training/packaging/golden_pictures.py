"""Golden pictures: small pictures with their logits, which a server must reproduce before it serves."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import torch
from PIL import Image
from torch import nn

from inference.archive.golden_pictures import LARGEST_LOGIT
from inference.images.pixels import model_input
from training.errors import TrainingError
from training.model.model_file import ModelFile
from training.packaging.graph import ServingGraph

PICTURES = 3
SIDES = (96, 128)  # pixels


def golden_document(network: nn.Module, facts: ModelFile) -> str:
    """`golden.json`: the pictures as JPEGs in base64, each with the logits of the network in fp32.

    Raises TrainingError for logits that no server would take.
    """
    images = [_picture(seed) for seed in range(PICTURES)]
    pixels = np.stack([model_input(image, facts.preprocessing.transform) for image in images])
    with torch.inference_mode():
        logits = ServingGraph(network, facts.preprocessing)(torch.from_numpy(pixels))
    if not (logits.abs() <= LARGEST_LOGIT).all():  # NaN is not, either
        raise TrainingError(
            f"The network has diverged: its logits of a plain picture go up to {logits.abs().max().item():.3g}. Train again with a lower lr."
        )
    pictures = [
        {"image": base64.b64encode(image).decode(), "logits": row}
        for image, row in zip(images, logits.tolist(), strict=True)
    ]
    return json.dumps({"pictures": pictures}, indent=1) + "\n"


def _picture(seed: int) -> bytes:
    """A JPEG of soft coloured spots, so that no photo is in the archive."""
    spots = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(spots).resize(SIDES[::-1], Image.Resampling.BICUBIC).save(written, "JPEG", quality=90)
    return written.getvalue()
