"""A plain network's way to the server: packaged, unpacked, and with the same probabilities as in training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.inference.images.pictures import jpeg
from tests.model_server.archives import CLASSES, packaged, tiny_network, write_model
from tests.model_server.odd_photos import soft

if TYPE_CHECKING:
    from inference.classifier import Classifier

pytestmark = pytest.mark.torch

ARGUMENTS: dict[str, Any] = {"widths": [8, 16], "repeats": 1, "dense": [24], "img_size": 32}
PREPROCESSING = {
    "input_size": [3, 32, 32], "interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "center",
    "mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0],
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a training of a plain network leaves behind, as far as packaging looks at it."""
    import inference.networks  # noqa: F401 - makes its models known to timm

    return write_model(
        tmp_path_factory.mktemp("runs") / "run", tiny_network("plain_cnn", **ARGUMENTS), name=None, version=None,
        architecture="plain_cnn", model_args=ARGUMENTS, preprocessing=PREPROCESSING,
    )  # fmt: skip


@pytest.fixture(scope="module")
def unpacked(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packaged(run, tmp_path_factory.mktemp("store"), engine="openvino", precision="fp32")


@pytest.fixture(scope="module")
def photos() -> list[bytes]:
    return [jpeg(soft(90 + 8 * number, 70, seed=number)) for number in range(6)]


def serving(unpacked: Path, engine: str) -> Classifier:
    from inference.classifier import Classifier
    from inference.engines.torch_resize import torch_resize

    served = Classifier.load(unpacked, engine=engine, precision="fp32", resize=torch_resize)  # type: ignore[arg-type]
    assert served.engine == f"{engine}-fp32"
    return served


def test_the_archive_brings_the_network_along(unpacked: Path) -> None:
    assert {path.name for path in (unpacked / "inference" / "networks").iterdir()} == {
        "__init__.py",
        "making.py",
        "plain_cnn.py",
    }


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_a_photo_scores_behind_the_server_as_in_training(
    engine: str, run: Path, unpacked: Path, photos: list[bytes], tmp_path: Path
) -> None:
    from training.prediction.predict import predict_paths

    served = serving(unpacked, engine)
    found = served.classify(np.stack([served.read(photo) for photo in photos]))
    paths = [tmp_path / f"{number}.jpg" for number in range(len(photos))]
    for path, photo in zip(paths, photos, strict=True):
        path.write_bytes(photo)
    for best, odds in zip(predict_paths(run, paths), found, strict=True):
        named = dict(zip(served.classes, odds.tolist(), strict=True))
        assert {it.label: it.probability for it in best} == pytest.approx(
            {it.label: named[it.label] for it in best}, abs=1e-4
        )
    assert len({odds.argmax() for odds in found}) > 1, "the photos are not all alike to the network"
    assert served.classes == CLASSES


def test_the_part_of_an_image_that_it_used_can_be_shown(unpacked: Path, photos: list[bytes]) -> None:
    from inference.engines.reference import TorchEngine
    from inference.heat_map import grad_cam

    served = serving(unpacked, "torch")
    engine = served.chosen.engine
    assert isinstance(engine, TorchEngine)
    images = engine.normalised(served.read(photos[0])[None])
    heats = [grad_cam(engine.network, images, [index])[0] for index in range(len(CLASSES))]
    assert all(heat.shape == (32, 32) for heat in heats)
    assert any(heat.max() == 1 for heat in heats)
