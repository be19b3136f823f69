"""A photo has the same probabilities in training's predict and behind the server, whatever computes there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import yaml

from tests.model_server.handlers import loaded, probabilities
from tests.model_server.odd_photos import odd_photos

if TYPE_CHECKING:
    from handler import PodiumHandler

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::UserWarning:PIL"),  # of clear colours in a palette
]

PHOTOS = dict(odd_photos())


@pytest.fixture(scope="module")
def predicted(run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """The three most likely classes of every odd photo, by training's predict."""
    from training.prediction.predict import predict_paths

    folder = tmp_path_factory.mktemp("odd")
    for name, data in PHOTOS.items():
        (folder / name).write_bytes(data)
    found = predict_paths(run, [folder / name for name in PHOTOS])
    return {name: {it.label: it.probability for it in best} for name, best in zip(PHOTOS, found, strict=True)}


@pytest.fixture(scope="module")
def by_torch(for_openvino: Path) -> PodiumHandler:
    return serving(for_openvino, "torch", "fp32")


@pytest.fixture(scope="module")
def by_openvino(for_openvino: Path) -> PodiumHandler:
    return serving(for_openvino, "openvino", "fp32")


@pytest.fixture(scope="module")
def by_aotinductor(for_aotinductor: Path) -> PodiumHandler:
    return serving(for_aotinductor, "aotinductor", "fp32")


def serving(folder: Path, engine: str, precision: str) -> PodiumHandler:
    handler = loaded(folder, engine=engine, precision=precision)
    assert handler.classifier.facts["engine"] == f"{engine}-{precision}", handler.classifier.facts
    assert "engine_fallback" not in handler.classifier.facts
    return handler


def of_the_spread(found: dict[str, float], expected: dict[str, float]) -> float:
    """How far logits are off, as a share of their own spread over the classes; they follow from the probabilities."""
    ours, theirs = (np.log([one[label] for label in expected]) for one in (found, expected))
    off = (ours - ours.mean()) - (theirs - theirs.mean())
    return float(np.abs(off).max() / theirs.std())


@pytest.mark.parametrize("served_by", ["by_torch", "by_openvino", "by_aotinductor"])
def test_an_odd_photo_scores_behind_the_server_as_in_training(
    served_by: str, predicted: dict[str, dict[str, float]], request: pytest.FixtureRequest
) -> None:
    handler = request.getfixturevalue(served_by)
    for name, data in PHOTOS.items():
        found = probabilities(handler, data)
        assert {label: found[label] for label in predicted[name]} == pytest.approx(predicted[name], abs=1e-4), name


def test_the_odd_photos_are_not_all_alike_to_the_network(predicted: dict[str, dict[str, float]]) -> None:
    """Else the test before would prove little."""
    best = [max(found, key=lambda label: found[label]) for found in predicted.values()]
    odds = [max(found.values()) for found in predicted.values()]
    assert len(set(best)) > 1
    assert max(odds) - min(odds) > 0.1
    assert len({round(it, 6) for it in odds}) > len(PHOTOS) / 2


@pytest.mark.parametrize("served_by", ["by_torch", "by_openvino", "by_aotinductor"])
def test_a_photo_scores_the_same_whatever_else_is_in_its_batch(served_by: str, request: pytest.FixtureRequest) -> None:
    classifier = request.getfixturevalue(served_by).classifier
    pixels = np.stack([classifier.read(data) for data in PHOTOS.values()])
    together = classifier.classify(pixels)
    for count in (1, 2, 7):
        np.testing.assert_allclose(classifier.classify(pixels[:count]), together[:count], atol=1e-4)


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_bf16_is_off_by_no_more_than_its_rounding_may_be(
    engine: str, for_openvino: Path, by_torch: PodiumHandler
) -> None:
    import openvino

    from inference.archive.golden_pictures import TOLERANCE

    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU does not compute in bf16")
    rounded = serving(for_openvino, engine, "bf16")
    for name, data in PHOTOS.items():
        off = of_the_spread(probabilities(rounded, data), probabilities(by_torch, data))
        assert off <= TOLERANCE["bf16"], name


def test_int8_is_off_by_no_more_than_its_rounding_may_be(for_openvino: Path, by_torch: PodiumHandler) -> None:
    from inference.archive.golden_pictures import TOLERANCE

    rounded = serving(for_openvino, "openvino", "int8")
    for name, data in PHOTOS.items():
        off = of_the_spread(probabilities(rounded, data), probabilities(by_torch, data))
        assert off <= TOLERANCE["int8"], name


def test_the_archive_itself_names_the_engine_that_it_was_packaged_for(for_openvino: Path) -> None:
    settings = yaml.safe_load((for_openvino / "model-config.yaml").read_text(encoding="utf-8"))["handler"]
    assert loaded(for_openvino, **settings).classifier.engine == "openvino-int8"
