"""What trains is made again by the readers of its record, or refused before it trains."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.conftest import tiny_config
from training.errors import NetworkRefused

pytestmark = pytest.mark.torch

RESNET: dict[str, object] = {"model": "test_resnet", "model_args": {}, "image_size": 32}


def test_a_network_that_its_record_would_not_make_again_is_refused(tmp_path: Path) -> None:
    from training.model.loadable import check_loads
    from training.model.network import create_network

    config = tiny_config(tmp_path, tmp_path / "run", **RESNET)
    network = create_network(config, 3)
    check_loads(config, network, 3)
    with pytest.raises(
        NetworkRefused, match=r"no run with it could be loaded: fc\.(bias|weight) would be another one there"
    ):
        check_loads(config, network, 4)


def test_a_network_that_no_reader_makes_is_refused_with_the_readers_reason(tmp_path: Path) -> None:
    from training.model.loadable import check_loads
    from training.model.network import create_network

    config = tiny_config(tmp_path, tmp_path / "run", **RESNET)
    network = create_network(config, 3)
    other = config.model_copy(update={"model_args": {"block_args": {"depth": 3}}})
    with pytest.raises(
        NetworkRefused, match="no run with it could be loaded: model_args do not fit test_resnet: with block_args"
    ):
        check_loads(other, network, 3)
