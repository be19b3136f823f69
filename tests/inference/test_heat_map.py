"""Heat maps: hottest in the part of the photo that the network's class lies in."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from serving.bundle import write_bundle
from tests.model_server.archives import PREPROCESSING, tiny_network, write_unpacked
from tests.model_server.handlers import ask, loaded, probabilities
from tests.model_server.odd_photos import soft

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import nn

    from handler import PodiumHandler
    from inference.images.pixels import Pixels

pytestmark = pytest.mark.torch

EXPLAIN = {"explain": "True"}  # TorchServe's header for whatever comes to /explanations


def explained(handler: PodiumHandler, photo: bytes) -> tuple[Image.Image, dict[str, str]]:
    [body], context = ask(handler, {"body": photo}, headers={0: EXPLAIN})
    assert context.statuses == {}, body
    return Image.open(io.BytesIO(body)), context.headers[0]


def test_an_explanation_is_a_png_of_what_the_model_saw_with_its_top_class(
    handler: PodiumHandler, photos: list[bytes]
) -> None:
    for photo in photos[:3]:
        picture, headers = explained(handler, photo)
        label, probability = max(probabilities(handler, photo).items(), key=lambda it: it[1])
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (64, 64))
        assert headers["content-type"] == "image/png"
        assert (unquote(headers["x-label"]), headers["x-engine"]) == (label, "torch-fp32")
        assert float(headers["x-probability"]) == pytest.approx(probability, abs=1e-6)


def test_the_picture_is_as_high_and_as_wide_as_the_model_looks(tmp_path: Path, photos: list[bytes]) -> None:
    folder = write_unpacked(tmp_path, preprocessing=PREPROCESSING | {"input_size": [3, 64, 96]})
    assert explained(loaded(folder), photos[0])[0].size == (96, 64)


def test_a_label_of_any_letters_fits_into_a_header(tmp_path: Path, photos: list[bytes]) -> None:
    label = "bola de fútbol / 足球\n"
    _, headers = explained(loaded(write_unpacked(tmp_path, classes=(label,))), photos[0])
    assert headers["x-label"].isascii()
    assert headers["x-label"].isprintable()
    assert unquote(headers["x-label"]) == label


def test_another_engine_than_torch_has_its_predictions_explained_by_the_reference(
    for_openvino: Path, photos: list[bytes]
) -> None:
    served = loaded(for_openvino, engine="openvino", precision="fp32")
    picture, headers = explained(served, photos[0])
    by_torch, same = explained(loaded(for_openvino, engine="torch"), photos[0])
    assert headers["x-label"] == same["x-label"]
    assert np.array_equal(np.asarray(picture), np.asarray(by_torch))


def test_to_explain_does_not_change_what_the_model_answers(handler: PodiumHandler, photos: list[bytes]) -> None:
    before = probabilities(handler, photos[0])
    first, second = (explained(handler, photos[0])[0].tobytes() for _ in range(2))
    assert first == second
    assert probabilities(handler, photos[0]) == before


@pytest.mark.parametrize(
    ("photo", "status", "code"),
    [(b"", 400, "empty"), (b"text", 415, "unsupported_format"), (b"\xff\xd8\xff", 422, "unreadable")],
)
def test_a_bad_image_is_refused_as_if_it_were_to_be_classified(
    handler: PodiumHandler, photo: bytes, status: int, code: str
) -> None:
    [body], context = ask(handler, {"body": photo}, headers={0: EXPLAIN})
    assert context.statuses[0][0] == status
    assert context.headers[0]["content-type"] == "application/json"
    assert json.loads(body)["code"] == code


def test_many_images_are_not_explained_and_their_sender_gets_a_reason(
    handler: PodiumHandler, photos: list[bytes]
) -> None:
    tar = b"".join(write_bundle([("a", photos[0])]))
    for request in ({"body": tar}, {"a": photos[0], "b": photos[1]}):
        [body], context = ask(handler, request, headers={0: EXPLAIN})
        assert context.statuses[0][0] == 400
        assert json.loads(body)["code"] == "bad_request"
        assert json.loads(body)["error"] == "One image is explained at a time."


def test_explanations_and_predictions_may_share_an_inference_batch(handler: PodiumHandler, photos: list[bytes]) -> None:
    bodies, context = ask(handler, *({"body": photo} for photo in photos[:3]), headers={1: EXPLAIN})
    assert [context.headers[n]["content-type"] for n in range(3)] == [
        "application/json",
        "image/png",
        "application/json",
    ]
    assert bodies[1].startswith(b"\x89PNG")


def colour_reader() -> nn.Module:
    """Its maps are how red and how blue each place is; class 0 is the sum of all red, class 1 that of all blue."""
    import torch
    from torch import nn

    class ColourReader(nn.Module):
        def forward_features(self, images: torch.Tensor) -> torch.Tensor:
            red, green, blue = images.unbind(1)
            seen = torch.stack([red - green - blue, blue - green - red], dim=1).relu()
            return nn.functional.avg_pool2d(seen, 8)

        def forward_head(self, features: torch.Tensor) -> torch.Tensor:
            return features.mean(dim=(2, 3))

    return ColourReader()


def heat_of(network: nn.Module, pixels: Pixels, index: int) -> NDArray[np.float32]:
    """The heat of one picture, whose pixels are not normalised but to 0 to 1."""
    import torch

    from inference.heat_map import grad_cam

    images = torch.from_numpy(pixels[None]).permute(0, 3, 1, 2).float() / 255
    heat: NDArray[np.float32] = grad_cam(network, images, [index])[0]
    return heat


def two_squares() -> Pixels:
    """Grey, with a red square at the top left and a blue one at the bottom right."""
    pixels = np.full((64, 96, 3), 128, np.uint8)
    pixels[8:24, 8:24] = (255, 0, 0)
    pixels[40:56, 72:88] = (0, 0, 255)
    return pixels


def test_the_heat_is_where_the_network_saw_the_class() -> None:
    red, blue = (heat_of(colour_reader(), two_squares(), index) for index in (0, 1))
    for heat, (rows, columns) in ((red, (slice(8, 24), slice(8, 24))), (blue, (slice(40, 56), slice(72, 88)))):
        assert heat.shape == (64, 96)
        assert (heat.min(), heat.max()) == (0.0, 1.0)
        top, left = np.unravel_index(heat.argmax(), heat.shape)
        assert rows.start <= top < rows.stop
        assert columns.start <= left < columns.stop
        assert heat[rows, columns].mean() > 10 * np.delete(heat.ravel(), np.flatnonzero(heat.ravel() > 0.5)).mean()


def test_without_evidence_for_a_class_nothing_is_hot() -> None:
    from inference.heat_map import heat_map

    grey = np.full((64, 64, 3), 128, np.uint8)
    heat = heat_of(colour_reader(), grey, 0)
    assert not heat.any()
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(heat_map(grey, heat)))), grey)


def test_the_map_is_grey_where_it_is_cold_and_coloured_where_it_is_hot() -> None:
    from inference.heat_map import HEAT, OPACITY, heat_map

    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[:, 1] = 200
    heat = np.array([[0.0, 0.0], [1.0, 1.0]], np.float32)
    seen = np.asarray(Image.open(io.BytesIO(heat_map(pixels, heat))))
    assert seen[0].tolist() == [[0, 0, 0], [200, 200, 200]]
    np.testing.assert_allclose(seen[1], [HEAT[-1] * OPACITY, 200 * (1 - OPACITY) + HEAT[-1] * OPACITY], atol=1)


def test_a_network_without_maps_is_not_explainable_and_says_so() -> None:
    from torch import nn

    from inference.heat_map import NotExplainable

    with pytest.raises(NotExplainable, match="Linear has no feature maps"):
        heat_of(nn.Linear(3, 2), two_squares(), 0)


@pytest.mark.parametrize(
    "architecture",
    ["test_resnet", "test_vit", "test_vit2", "test_efficientnet", "test_convnext", "test_mambaout", "test_byobnet"],
)
def test_networks_of_many_families_are_explained(architecture: str) -> None:
    """Convolutions keep maps of places; transformers keep tokens, a prefix of them without a place."""
    size = {"img_size": 64} if "vit" in architecture else {}
    network = tiny_network(architecture, **size)
    pixels = np.array(soft(64, 64))
    heats = [heat_of(network, pixels, index) for index in range(4)]
    for heat in heats:
        assert heat.shape == (64, 64)
        assert np.isfinite(heat).all()
        assert heat.min() >= 0.0
        assert heat.max() in (0.0, pytest.approx(1.0))
    assert len({heat.tobytes() for heat in heats}) > 1, "each class has its own"


def test_a_transformer_that_reads_a_class_token_is_hot_where_that_token_looks() -> None:
    """Its head reads no patch: without a look into its last block nothing would ever be hot."""
    network = tiny_network("test_vit", img_size=64)
    assert network.global_pool == "token"
    assert any(heat_of(network, np.array(soft(64, 64)), index).any() for index in range(4))
    assert not any(part._forward_pre_hooks for part in network.modules()), "nothing of it stays"


@pytest.mark.parametrize(
    ("model", "side", "name"), [("efficientvim_m1", 32, "EfficientViM"), ("crossvit_9_240", 240, "CrossVit")]
)
def test_a_network_of_several_maps_side_by_side_is_not_explainable_and_says_so(
    model: str, side: int, name: str
) -> None:
    import timm
    import torch

    from inference.heat_map import NotExplainable, grad_cam

    network = timm.create_model(model, num_classes=3).eval()
    with pytest.raises(NotExplainable, match=f"{name} makes several feature maps side by side, and no last one"):
        grad_cam(network, torch.zeros(1, 3, side, side), [0])
