"""Networks are made without a library's word on the terminal."""

from __future__ import annotations

import warnings

import pytest

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("name", ["tv_resnet34", "swsl_resnext50_32x4d", "vit_base_patch16_224_in21k"])
def test_a_name_that_timm_has_replaced_makes_the_network_quietly(name: str) -> None:
    import torch

    from inference.networks.making import make_network

    with torch.device("meta"), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        network = make_network(name, pretrained=False, num_classes=3)
        assert network(torch.zeros(1, 3, 224, 224)).shape == (1, 3)
    assert [str(one.message) for one in said] == []
