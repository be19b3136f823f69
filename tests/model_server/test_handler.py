"""The handler without TorchServe: each request gets its own response."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from inference.archive.digest import content_sha256
from pipeline.contracts import ServerAnswer, ServerRejection
from serving.bundle import write_bundle
from tests.inference.images.pictures import encoded, huge_png
from tests.model_server.archives import CLASSES, PREPROCESSING, ROOT, FakeContext, change, write_golden, write_unpacked
from tests.model_server.handlers import (
    answer,
    answers,
    ask,
    assert_same,
    loaded,
    probabilities,
    rejection,
)

if TYPE_CHECKING:
    from handler import PodiumHandler

pytestmark = pytest.mark.torch


def test_the_three_most_likely_classes_come_best_first(handler: PodiumHandler, photos: list[bytes]) -> None:
    predictions = answer(handler, photos[0]).predictions
    assert len({prediction.label for prediction in predictions} & set(CLASSES)) == 3
    assert [p.probability for p in predictions] == sorted((p.probability for p in predictions), reverse=True)
    assert 0.5 < sum(p.probability for p in predictions) <= 1.0


def test_different_photos_get_different_predictions(handler: PodiumHandler, photos: list[bytes]) -> None:
    assert len({answer(handler, photo).predictions[0].probability for photo in photos}) == len(photos)


def test_the_response_names_the_model_and_the_content_it_was_loaded_from(
    handler: PodiumHandler, unpacked: Path, photos: list[bytes]
) -> None:
    model = answer(handler, photos[0]).model
    assert (model.ref, model.archive_sha256) == ("balls@1.0", content_sha256(unpacked))


def test_a_photo_scores_as_timm_scores_it_but_for_rounding(
    handler: PodiumHandler, unpacked: Path, photos: list[bytes]
) -> None:
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
        assert prediction.probability == pytest.approx(expected[prediction.label], abs=1e-3)


def test_an_image_scores_the_same_alone_and_among_others(handler: PodiumHandler, photos: list[bytes]) -> None:
    together, _ = ask(handler, *({"body": photo} for photo in photos))
    for photo, body in zip(photos, together, strict=True):
        assert_same(ServerAnswer.model_validate_json(body), answer(handler, photo))


@pytest.mark.parametrize("field", ["body", "data", "holiday.jpg"])
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_the_image_may_be_the_body_or_a_form_field(
    handler: PodiumHandler, photos: list[bytes], field: str, kind: type
) -> None:
    [body], _ = ask(handler, {field: kind(photos[0])})
    assert ServerAnswer.model_validate_json(body) == answer(handler, photos[0])
    assert "answers" not in json.loads(body)


def test_a_bad_image_gets_its_own_error_and_its_neighbours_their_predictions(
    handler: PodiumHandler, photos: list[bytes]
) -> None:
    bodies, context = ask(
        handler, {"body": photos[0]}, {"body": b"text"}, {"body": photos[1]}, {"body": photos[2][:500]}, {}
    )
    assert context.statuses == {
        1: (415, "Unsupported Media Type"),
        3: (422, "Unprocessable Content"),
        4: (400, "Bad Request"),
    }
    assert [ServerRejection.model_validate_json(bodies[n]).code for n in (1, 3, 4)] == [
        "unsupported_format",
        "unreadable",
        "empty",
    ]
    assert_same(ServerAnswer.model_validate_json(bodies[0]), answer(handler, photos[0]))
    assert_same(ServerAnswer.model_validate_json(bodies[2]), answer(handler, photos[1]))
    assert context.headers == {n: {"content-type": "application/json"} for n in range(5)}


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({}, 400, "empty"),
        ({"body": b""}, 400, "empty"),
        ({"body": "decoded text"}, 415, "unsupported_format"),
        ({"body": {"decoded": "json"}}, 415, "unsupported_format"),
        ({"image": b"in a field of another name"}, 415, "unsupported_format"),
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


def test_a_gpu_that_fails_ends_its_worker_and_no_image_is_blamed(
    unpacked: Path, photos: list[bytes], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken CUDA context stays broken: TorchServe starts a new process, and the images are sent again."""

    handler = loaded(unpacked)

    def broken(_: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(type(handler.classifier), "classify", lambda _, pixels: broken(pixels))
    with pytest.raises(RuntimeError, match="illegal memory access"):
        answer(handler, photos[0])  # on a CPU a fault is one request's

    def ended(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr("os._exit", ended)
    monkeypatch.setattr("logging.shutdown", lambda: None)
    gpu = dataclasses.replace(handler.classifier.machine, device="cuda:0")
    handler.classifier = dataclasses.replace(handler.classifier, machine=gpu)
    with pytest.raises(SystemExit) as end:
        answer(handler, photos[0])
    assert end.value.code == 1
    assert "the GPU failed: this worker ends" in caplog.text


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

    from inference.archive.digest import file_sha256

    folder = write_unpacked(tmp_path)
    weights = folder / "model.safetensors"
    save_file({name: tensor * 0 for name, tensor in load_file(weights).items()}, weights)
    write_golden(change(folder, weights={"file": "model.safetensors", "sha256": file_sha256(weights)}))
    predictions = answer(loaded(folder), photos[0]).predictions
    assert [(p.label, p.probability) for p in predictions] == [(label, 0.25) for label in CLASSES[:3]]


def test_a_model_of_two_classes_predicts_two(tmp_path: Path, photos: list[bytes]) -> None:
    handler = loaded(write_unpacked(tmp_path, classes=("ball", "no ball")))
    predictions = answer(handler, photos[0]).predictions
    assert sum(p.probability for p in predictions) == pytest.approx(1.0)
    assert {p.label for p in predictions} == {"ball", "no ball"}


def test_a_model_of_one_class_is_sure_of_it(tmp_path: Path, photos: list[bytes]) -> None:
    """Its logits have no spread that their rounding could be a share of."""
    [prediction] = answer(loaded(write_unpacked(tmp_path, classes=("ball",))), photos[0]).predictions
    assert (prediction.label, prediction.probability) == ("ball", 1.0)


def test_the_temperature_divides_the_logits(handler: PodiumHandler, archive: Path, photos: list[bytes]) -> None:
    import math

    hot = answer(loaded(change(archive, temperature=4.0)), photos[0]).predictions
    cold = answer(handler, photos[0]).predictions
    assert [p.label for p in hot] == [p.label for p in cold]
    differences = [math.log(p[0].probability / p[1].probability) for p in (cold, hot)]
    assert differences[0] == pytest.approx(4.0 * differences[1], rel=1e-3)


def test_a_prediction_under_the_threshold_is_uncertain_and_says_why(archive: Path, photos: list[bytes]) -> None:
    change(archive, uncertainty={"threshold": 0.999999, "target_accuracy": 0.95, "coverage": 0.5}, temperature=50.0)
    found = answer(loaded(archive), photos[0])
    assert found.uncertain is not None
    assert f"{found.predictions[0].probability:.3f}, under 1.000" in found.uncertain
    assert "95%" in found.uncertain


def test_a_prediction_at_the_threshold_is_not_uncertain(handler: PodiumHandler, photos: list[bytes]) -> None:
    assert answer(handler, photos[0]).uncertain is None


def tar(*images: tuple[str, bytes]) -> bytes:
    return b"".join(write_bundle(images))


def test_many_images_in_a_tar_or_in_a_form_are_each_answered_in_their_order(
    handler: PodiumHandler, photos: list[bytes]
) -> None:
    named = [(f"{n}.jpg", photo) for n, photo in enumerate(photos)]
    for request in ({"body": tar(*named)}, dict(named)):
        found = answers(handler, request)
        assert found.model == answer(handler, photos[0]).model
        assert [(it.name, it.status) for it in found.answers] == [(name, 200) for name, _ in named]
        for entry, photo in zip(found.answers, photos, strict=True):
            assert_same(ServerAnswer(model=found.model, predictions=entry.predictions), answer(handler, photo))


def test_a_bad_image_among_many_costs_its_own_entry_alone(handler: PodiumHandler, photos: list[bytes]) -> None:
    found = answers(handler, {"body": tar(("a", photos[0]), ("b", b"text"), ("c", b""), ("d", photos[1]))}).answers
    assert [(it.name, it.status, it.code) for it in found] == [
        ("a", 200, None),
        ("b", 415, "unsupported_format"),
        ("c", 400, "empty"),
        ("d", 200, None),
    ]
    assert [it.predictions for it in found if it.status != 200] == [(), ()]
    assert all(it.error and it.error.endswith(".") for it in found if it.status != 200)


def test_many_images_that_are_all_bad_are_answered_each(handler: PodiumHandler) -> None:
    assert [it.status for it in answers(handler, {"body": tar(("a", b"text"), ("b", b""))}).answers] == [415, 400]


def test_a_tar_of_one_image_is_answered_with_a_list_of_one(handler: PodiumHandler, photos: list[bytes]) -> None:
    [entry] = answers(handler, {"body": tar(("one.jpg", photos[0]))}).answers
    assert (entry.name, entry.status) == ("one.jpg", 200)


def test_more_images_than_are_classified_at_once_come_back_in_order(unpacked: Path, photos: list[bytes]) -> None:
    """Some are read while others are classified: at each edge of a part is a bad one."""
    few = loaded(unpacked, images_at_once=3)
    images = [(f"{n}", b"text" if n in {2, 3, 6} else photos[n]) for n in range(10)]
    found = answers(few, {"body": tar(*images)})
    for n, entry in enumerate(found.answers):
        assert (entry.name, entry.status) == (f"{n}", 415 if n in {2, 3, 6} else 200)
        if entry.status == 200:
            assert_same(ServerAnswer(model=found.model, predictions=entry.predictions), answer(few, photos[n]))


def test_requests_of_one_of_many_and_wrong_ones_share_an_inference_batch(
    handler: PodiumHandler, photos: list[bytes]
) -> None:
    bodies, context = ask(
        handler,
        {"body": tar(("a", photos[0]), ("b", photos[1]))},
        {"body": photos[2], "top_k": b"none"},
        {"body": photos[3]},
        {"body": tar(("c", photos[4]))[:700]},
        {"body": b"\xff\xd8\xff"},
        {"x": photos[5], "y": b"text"},
    )
    documents = [json.loads(body) for body in bodies]
    assert {n: status for n, (status, _) in context.statuses.items()} == {1: 400, 3: 400, 4: 422}
    assert [[it["status"] for it in documents[n]["answers"]] for n in (0, 5)] == [[200, 200], [200, 415]]
    assert [documents[n]["code"] for n in (1, 3, 4)] == ["bad_request", "bad_request", "unreadable"]
    assert_same(ServerAnswer.model_validate(documents[2]), answer(handler, photos[3]))
    for document in documents:
        assert document["model"] == handler.classifier.facts


def test_a_person_may_ask_for_more_or_fewer_classes_by_query_or_by_header(
    handler: PodiumHandler, photos: list[bytes]
) -> None:
    for count in range(1, len(CLASSES) + 1):
        by_query, _ = ask(handler, {"body": photos[0], "top_k": str(count)})
        by_header, _ = ask(handler, {"body": photos[0]}, headers={0: {"x-top-k": str(count)}})
        for body in (*by_query, *by_header):
            assert [it["label"] for it in json.loads(body)["predictions"]] == list(probabilities(handler, photos[0]))[
                :count
            ]


def test_all_classes_together_have_a_probability_of_one(handler: PodiumHandler, photos: list[bytes]) -> None:
    for photo in photos[:4]:
        assert sum(probabilities(handler, photo).values()) == pytest.approx(1.0, abs=1e-6)


def test_a_response_has_the_time_of_each_step(handler: PodiumHandler, photos: list[bytes]) -> None:
    [body], _ = ask(handler, {"body": tar(("a", photos[0]), ("b", b"text"))})
    timings = json.loads(body)["timings"]
    assert timings["images"] == 2
    assert timings["decode_ms"] >= 0
    assert timings["forward_ms"] > 0


def test_what_a_person_declared_to_be_json_is_refused_for_itself_whatever_it_holds(
    handler: PodiumHandler, photos: list[bytes]
) -> None:
    """TorchServe decodes it: half a surrogate pair is a string that no encoding knows."""
    bodies, context = ask(handler, {"body": json.loads(r'"\ud800"')}, {"body": photos[0]}, {"body": [1, None]})
    assert {n: status for n, (status, _) in context.statuses.items()} == {0: 415, 2: 415}
    assert_same(ServerAnswer.model_validate_json(bodies[1]), answer(handler, photos[0]))


def test_the_handler_uses_nothing_that_torchserves_context_does_not_have() -> None:
    from ts.context import Context

    methods = ("get_request_header", "get_all_request_header", "set_response_status", "set_response_header")
    for name in methods:
        ours, theirs = (list(inspect.signature(getattr(kind, name)).parameters) for kind in (FakeContext, Context))
        assert ours == theirs, name
    theirs = Context("balls", "folder", {}, 1, None, "0.12", metrics=None, model_yaml_config={"handler": {}})
    assert (theirs.system_properties["gpu_id"], theirs.system_properties["model_dir"]) == (None, "folder")
    assert (theirs.metrics, theirs.model_yaml_config) == (None, {"handler": {}})


def test_the_handler_file_holds_one_class_as_torchserve_wants_it() -> None:
    tree = ast.parse((ROOT / "model_server" / "handler.py").read_text(encoding="utf-8"))
    assert sum(isinstance(node, ast.ClassDef) for node in tree.body) == 1
