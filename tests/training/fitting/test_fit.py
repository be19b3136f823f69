"""What the steps share if there are several processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.conftest import tiny_config
from training.errors import WrongInput

pytestmark = pytest.mark.torch


def test_batch_norms_that_share_their_statistics_keep_their_activations(tmp_path: Path) -> None:
    import torch

    from training.fitting.fit import synchronised
    from training.model.network import create_network

    network = create_network(tiny_config(tmp_path, tmp_path, model="mobilenetv3_small_050", model_args={}), 3).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        before = network(images)
        shared = synchronised(network, torch.device("cuda"))
        assert torch.equal(shared(images), before)
    assert any(isinstance(module, torch.nn.SyncBatchNorm) for module in shared.modules())


def test_batch_norms_cannot_share_on_a_cpu(tmp_path: Path) -> None:
    import torch

    from training.fitting.fit import synchronised

    with pytest.raises(WrongInput, match="sync_batchnorm = true works only on GPUs, and device is cpu"):
        synchronised(torch.nn.BatchNorm2d(3), torch.device("cpu"))
