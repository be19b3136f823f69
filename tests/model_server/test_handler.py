"""The handler without TorchServe: what is asked, what is answered, and what is refused at load."""

from __future__ import annotations

import ast
import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from imagefile.content import content_sha256
from pipeline.contracts import ServerAnswer, ServerRejection
from tests.imagefile.pictures import encoded, huge_png
from tests.model_server.archives import CLASSES, PREPROCESSING, ROOT, FakeContext, write_unpacked

if TYPE_CHECKING:
    from handler import PodiumHandler

pytestmark = pytest.mark.torch


def loaded(folder: Path) -> PodiumHandler:
    from handler import PodiumHandler

    handler = PodiumHandler()
    handler.initialize(FakeContext(folder))
    return handler


def ask(handler: PodiumHandler, *requests: Mapping[str, object]) -> tuple[list[str], FakeContext]:
    context = FakeContext(Path())
    return handler.handle(requests, context), context


def answer(handler: PodiumHandler, photo: bytes) -> ServerAnswer:
    [body], context = ask(handler, {"body": bytearray(photo)})
    assert context.statuses == {}
    return ServerAnswer.model_validate_json(body)


def rejection(handler: PodiumHandler, request: Mapping[str, object]) -> tuple[int, ServerRejection]:
    [body], context = ask(handler, request)
    return context.statuses[0][0], ServerRejection.model_validate_json(body)


def assert_same(one: ServerAnswer, other: ServerAnswer) -> None:
    assert [p.label for p in one.predictions] == [p.label for p in other.predictions]
    odds = [[p.probability for p in found.predictions] for found in (one, other)]
    assert odds[0] == pytest.approx(odds[1], abs=1e-4)


@pytest.fixture(scope="module")
def handler(unpacked: Path) -> PodiumHandler:
    return loaded(unpacked)


@pytest.fixture
def archive(unpacked: Path, tmp_path: Path) -> Path:
    """A copy of the unpacked archive, to be damaged."""
    return shutil.copytree(unpacked, tmp_path / "balls")


def change(archive: Path, **fields: object) -> Path:
    document = json.loads((archive / "model.json").read_text())
    (archive / "model.json").write_text(json.dumps(document | fields))
    return archive


def refusal(archive: Path) -> str:
    from model_file import ModelRefused

    with pytest.raises(ModelRefused) as caught:
        loaded(archive)
    return str(caught.value)


def test_the_three_most_likely_classes_come_best_first(handler: PodiumHandler, photos: list[bytes]) -> None:
    predictions = answer(handler, photos[0]).predictions
    assert len({prediction.label for prediction in predictions} & set(CLASSES)) == 3
    assert [p.probability for p in predictions] == sorted((p.probability for p in predictions), reverse=True)
    assert 0.5 < sum(p.probability for p in predictions) <= 1.0


def test_different_photos_get_different_answers(handler: PodiumHandler, photos: list[bytes]) -> None:
    assert len({answer(handler, photo).predictions[0].probability for photo in photos}) == len(photos)


def test_the_answer_names_the_model_and_the_content_it_was_loaded_from(
    handler: PodiumHandler, unpacked: Path, photos: list[bytes]
) -> None:
    model = answer(handler, photos[0]).model
    assert (model.ref, model.archive_sha256) == ("balls@1.0", content_sha256(unpacked))


def test_a_photo_scores_as_timm_scores_it(handler: PodiumHandler, unpacked: Path, photos: list[bytes]) -> None:
    import io

    import timm
    import torch
    from safetensors.torch import load_file
    from timm.data.transforms_factory import create_transform

    network = timm.create_model("test_resnet", num_classes=len(CLASSES)).eval()
    network.load_state_dict(load_file(unpacked / "model.safetensors"))
    settings: dict[str, Any] = PREPROCESSING
    picture = create_transform(**settings)(Image.open(io.BytesIO(photos[3])).convert("RGB"))
    with torch.inference_mode():
        expected = dict(zip(CLASSES, network(picture.unsqueeze(0)).softmax(1)[0].tolist(), strict=True))
    for prediction in answer(handler, photos[3]).predictions:
        assert prediction.probability == pytest.approx(expected[prediction.label], abs=1e-5)


def test_an_image_scores_the_same_alone_and_among_others(handler: PodiumHandler, photos: list[bytes]) -> None:
    together, _ = ask(handler, *({"body": photo} for photo in photos))
    for photo, body in zip(photos, together, strict=True):
        assert_same(ServerAnswer.model_validate_json(body), answer(handler, photo))


@pytest.mark.parametrize("field", ["body", "data"])
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_the_image_may_be_the_body_or_a_form_field(
    handler: PodiumHandler, photos: list[bytes], field: str, kind: type
) -> None:
    [body], _ = ask(handler, {field: kind(photos[0])})
    assert ServerAnswer.model_validate_json(body) == answer(handler, photos[0])


def test_a_bad_image_gets_its_own_answer_and_its_neighbours_theirs(handler: PodiumHandler, photos: list[bytes]) -> None:
    bodies, context = ask(
        handler, {"body": photos[0]}, {"body": b"text"}, {"body": photos[1]}, {"body": photos[2][:500]}, {}
    )
    assert context.statuses == {
        1: (415, "Unsupported Media Type"),
        3: (422, "Unprocessable Entity"),
        4: (400, "Bad Request"),
    }
    assert [ServerRejection.model_validate_json(bodies[n]).code for n in (1, 3, 4)] == [
        "unsupported_format",
        "unreadable",
        "empty",
    ]
    assert_same(ServerAnswer.model_validate_json(bodies[0]), answer(handler, photos[0]))
    assert_same(ServerAnswer.model_validate_json(bodies[2]), answer(handler, photos[1]))
    assert context.content_types == dict.fromkeys(range(5), "application/json")


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({}, 400, "empty"),
        ({"body": b""}, 400, "empty"),
        ({"body": "decoded text"}, 415, "unsupported_format"),
        ({"body": {"decoded": "json"}}, 415, "unsupported_format"),
        ({"image": b"in a field of another name"}, 400, "empty"),
        ({"body": b"\xff\xd8\xff\xe0 no JPEG"}, 422, "unreadable"),
        ({"body": huge_png(30_000, 30_000)}, 422, "too_many_pixels"),
    ],
)
def test_what_holds_no_readable_image_is_answered_with_the_code_the_pipeline_knows(
    handler: PodiumHandler, unpacked: Path, request_: dict[str, object], status: int, code: str
) -> None:
    found_status, found = rejection(handler, request_)
    assert (found_status, found.code) == (status, code)
    assert found.error.endswith(".")
    assert found.model is not None
    assert found.model.archive_sha256 == content_sha256(unpacked)


def test_a_batch_of_only_bad_images_is_answered(handler: PodiumHandler) -> None:
    bodies, context = ask(handler, {}, {"body": b"text"})
    assert len(bodies) == 2
    assert sorted(context.statuses) == [0, 1]


def test_any_mode_of_picture_can_be_classified(handler: PodiumHandler) -> None:
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        assert answer(handler, encoded(Image.new(mode, (9, 7)), "PNG")).predictions


def test_what_a_person_sent_is_not_in_the_log(
    handler: PodiumHandler, photos: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ask(handler, {"body": b"a private letter"}, {"body": photos[0]})
    assert caplog.records == []


def test_equally_likely_classes_come_in_the_models_order(tmp_path: Path, photos: list[bytes]) -> None:
    from safetensors.torch import load_file, save_file

    from imagefile.content import file_sha256

    folder = write_unpacked(tmp_path)
    weights = folder / "model.safetensors"
    save_file({name: tensor * 0 for name, tensor in load_file(weights).items()}, weights)
    change(folder, weights={"file": "model.safetensors", "sha256": file_sha256(weights)})
    predictions = answer(loaded(folder), photos[0]).predictions
    assert [(p.label, p.probability) for p in predictions] == [(label, 0.25) for label in CLASSES[:3]]


def test_a_model_of_two_classes_answers_two(tmp_path: Path, photos: list[bytes]) -> None:
    handler = loaded(write_unpacked(tmp_path, classes=("ball", "no ball")))
    predictions = answer(handler, photos[0]).predictions
    assert sum(p.probability for p in predictions) == pytest.approx(1.0)
    assert {p.label for p in predictions} == {"ball", "no ball"}


def test_the_temperature_divides_the_logits(handler: PodiumHandler, archive: Path, photos: list[bytes]) -> None:
    import math

    hot = answer(loaded(change(archive, temperature=4.0)), photos[0]).predictions
    cold = answer(handler, photos[0]).predictions
    assert [p.label for p in hot] == [p.label for p in cold]
    differences = [math.log(p[0].probability / p[1].probability) for p in (cold, hot)]
    assert differences[0] == pytest.approx(4.0 * differences[1], rel=1e-3)


def test_an_answer_under_the_threshold_is_uncertain_and_says_why(archive: Path, photos: list[bytes]) -> None:
    change(archive, uncertainty={"threshold": 0.999999, "target_accuracy": 0.95, "coverage": 0.5}, temperature=50.0)
    found = answer(loaded(archive), photos[0])
    assert found.uncertain is not None
    assert f"{found.predictions[0].probability:.3f}, under 1.000" in found.uncertain
    assert "95%" in found.uncertain


def test_an_answer_at_the_threshold_is_not_uncertain(handler: PodiumHandler, photos: list[bytes]) -> None:
    assert answer(handler, photos[0]).uncertain is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"schema_version": "2.0"}, "schema_version '2.0'"),
        ({"architecture": "resnet_9000"}, "no architecture 'resnet_9000'"),
        ({"architecture": "hf-hub:somebody/something"}, "no architecture 'hf-hub:somebody/something'"),
        ({"model_args": {"no_such_argument": 1}}, "no_such_argument"),
        ({"classes": [*CLASSES, "one more"]}, "test_resnet with 5 classes"),
        ({"classes": ["same"] * 4}, "each of them once"),
        ({"classes": []}, "at least one"),
        ({"classes": "baseball"}, "classes is 'baseball', expected list"),
        ({"temperature": 0}, "temperature is 0, expected a number over 0"),
        ({"uncertainty": {"threshold": "high", "target_accuracy": 0.95}}, "uncertainty.threshold is 'high'"),
        ({"preprocessing": {**PREPROCESSING, "mean": None}}, "preprocessing"),
        ({"preprocessing": {"input_size": [3, 64, 64]}}, "no preprocessing.interpolation"),
        ({"preprocessing": {**PREPROCESSING, "interpolation": "magic"}}, "preprocessing"),
        ({"weights": {"file": "model.safetensors", "sha256": "0" * 64}}, "changed after packaging"),
        ({"weights": {"file": "absent.safetensors", "sha256": "0" * 64}}, "holds no absent.safetensors"),
        ({"weights": {"file": "../model.safetensors", "sha256": "0" * 64}}, "the name of a file in the archive"),
    ],
)
def test_an_archive_that_contradicts_itself_is_refused_at_load(
    archive: Path, fields: dict[str, object], words: str
) -> None:
    assert words in refusal(change(archive, **fields))


@pytest.mark.parametrize(("text", "words"), [(None, "holds no model.json"), ("{", "is no JSON"), ("[]", "no schema_")])
def test_an_archive_without_a_readable_model_file_is_refused_at_load(
    archive: Path, text: str | None, words: str
) -> None:
    (archive / "model.json").unlink()
    if text is not None:
        (archive / "model.json").write_text(text)
    assert words in refusal(archive)


def test_weights_that_are_no_safetensors_are_refused_at_load(archive: Path) -> None:
    from imagefile.content import file_sha256

    (archive / "model.safetensors").write_bytes(b"\x80\x04 a pickle")
    change(archive, weights={"file": "model.safetensors", "sha256": file_sha256(archive / "model.safetensors")})
    assert "The weights do not make a test_resnet" in refusal(archive)


def test_a_network_that_answers_no_probabilities_is_refused_at_load(archive: Path) -> None:
    from safetensors.torch import load_file, save_file

    from imagefile.content import file_sha256

    weights = archive / "model.safetensors"
    save_file({name: tensor * float("nan") for name, tensor in load_file(weights).items()}, weights)
    change(archive, weights={"file": "model.safetensors", "sha256": file_sha256(weights)})
    assert "no probabilities" in refusal(archive)


@pytest.mark.parametrize("threads", [None, 0, "two"])
def test_the_threads_must_be_said_in_the_model_config(unpacked: Path, threads: object) -> None:
    from handler import PodiumHandler
    from model_file import ModelRefused

    with pytest.raises(ModelRefused, match="handler: threads"):
        PodiumHandler().initialize(FakeContext(unpacked, threads=threads))


def test_the_handler_file_holds_one_class_as_torchserve_wants_it() -> None:
    tree = ast.parse((ROOT / "model_server" / "handler.py").read_text(encoding="utf-8"))
    assert sum(isinstance(node, ast.ClassDef) for node in tree.body) == 1
