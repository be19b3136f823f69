"""A photo has the same probabilities in training's predict and over HTTP: proxy, TorchServe and OpenVINO as they are served."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml

from podium.local import model_server as torchserve
from serving.bundle import MAX_IMAGES, write_bundle
from tests.model_server.archives import CLASSES
from tests.model_server.odd_photos import odd_photos

pytestmark = [
    pytest.mark.torch,
    pytest.mark.stack,
    pytest.mark.filterwarnings("ignore::UserWarning:PIL"),  # of clear colours in a palette
]

PHOTOS = dict(odd_photos())
READY_WITHIN_S = 180
Found = Mapping[str, float]


@pytest.fixture(scope="module")
def address(for_openvino: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[torchserve.ServerAddress]:
    """Serves the run by OpenVINO in fp32, and nothing else: the archive is pinned to it."""
    pinned = shutil.copytree(for_openvino, tmp_path_factory.mktemp("pinned") / "balls")
    config = pinned / "model-config.yaml"
    document = yaml.safe_load(config.read_text(encoding="utf-8"))
    document["handler"] |= {"engine": "openvino", "precision": "fp32"}
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    archive = Path(shutil.make_archive(str(pinned), "zip", pinned)).rename(pinned.with_suffix(".mar"))
    home = tmp_path_factory.mktemp("server")
    try:
        started = torchserve.start(home=home, archive=archive, ports=torchserve.free_ports())
        torchserve.wait_ready(started, "balls", READY_WITHIN_S)
        yield started
    finally:
        torchserve.stop(home)


@pytest.fixture(scope="module")
def predicted(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Found]:
    """The three most likely classes of every odd photo, by training's predict."""
    from training.prediction.predict import predict_paths

    folder = tmp_path_factory.mktemp("odd")
    for name, data in PHOTOS.items():
        (folder / name).write_bytes(data)
    found = predict_paths(run, [folder / name for name in PHOTOS])
    return {name: {it.label: it.probability for it in best} for name, best in zip(PHOTOS, found, strict=True)}


def post(address: torchserve.ServerAddress, body: bytes) -> dict[str, Any]:
    """The whole response to a body, with every class in it; it must be OpenVINO's in fp32."""
    url = f"{address.inference_url}/predictions/balls?top_k={len(CLASSES)}"
    response = urllib3.request("POST", url, body=body, retries=False, timeout=120)
    assert response.status == 200, response.data
    document: dict[str, Any] = response.json()
    assert document["model"]["engine"] == "openvino-fp32"
    assert "engine_fallback" not in document["model"]
    return document


def assert_predicted(document: Mapping[str, Any], expected: Found, name: str) -> None:
    found = {it["label"]: it["probability"] for it in document["predictions"]}
    assert {label: found[label] for label in expected} == pytest.approx(expected, abs=1e-4), name


def test_odd_photos_score_over_http_as_in_training_all_in_one_tar(
    address: torchserve.ServerAddress, predicted: Mapping[str, Found]
) -> None:
    assert len(PHOTOS) <= MAX_IMAGES
    answers = post(address, b"".join(bytes(piece) for piece in write_bundle(PHOTOS.items())))["answers"]
    assert [(it["name"], it["status"]) for it in answers] == [(name, 200) for name in PHOTOS]
    for it in answers:
        assert_predicted(it, predicted[it["name"]], it["name"])


def test_an_odd_photo_scores_over_http_as_in_training_when_it_comes_alone(
    address: torchserve.ServerAddress, predicted: Mapping[str, Found]
) -> None:
    for name, data in PHOTOS.items():
        assert_predicted(post(address, data), predicted[name], name)
