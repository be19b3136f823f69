"""The model inside the function: it answers as the server's handler does, and whatever is wrong is the stack's state, not the image's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from pipeline.contracts import ModelFacts, ServerAnswer
from pipeline.errors import ImageRejected, ModelUnavailable
from pipeline.telemetry import metrics
from tests.inference.images.pictures import corners, jpeg

pytestmark = pytest.mark.torch

PHOTO = jpeg(corners().resize((300, 200)))
OTHER = jpeg(corners().resize((200, 300)).rotate(90))


@pytest.fixture(scope="session")
def mar(for_openvino: Path) -> Path:
    return for_openvino.with_name("balls.mar")


@pytest.fixture
def held() -> Iterator[Callable[..., Any]]:
    """A function that holds the model of an archive: ModelHere, which imports OpenVINO."""
    from pipeline.model_here.model import ModelHere

    made = []

    def hold(mar: Path | Callable[[Path], Path], **options: Any) -> Any:  # noqa: ANN401 - ModelHere
        made.append(ModelHere(mar if callable(mar) else lambda folder: Path(shutil.copy(mar, folder)), **options))
        return made[-1]

    yield hold
    for model in made:
        model.close()


def test_it_answers_as_the_servers_handler_does(held: Callable[..., Any], mar: Path, for_openvino: Path) -> None:
    """The same archive, engine and precision: the same model, classes, probabilities and doubts."""
    from tests.model_server.handlers import answer, loaded

    handler = loaded(for_openvino, engine="openvino", precision="int8")
    for ours, photo in zip(held(mar).ask([PHOTO, OTHER], budget_s=60), (PHOTO, OTHER), strict=True):
        theirs = answer(handler, photo)
        assert isinstance(ours, ServerAnswer)
        assert ours.model == theirs.model
        assert [it.label for it in ours.predictions] == [it.label for it in theirs.predictions[:3]]
        odds = [[it.probability for it in one.predictions[:3]] for one in (ours, theirs)]
        assert odds[0] == pytest.approx(odds[1], abs=0.01)  # Pillow resizes here, torch there


def test_how_long_a_process_loads_the_model_is_a_metric_of_its_first_invocation(
    held: Callable[..., Any], mar: Path
) -> None:
    metrics.clear_metrics()
    model = held(mar)
    for _ in range(2):
        model.ask([PHOTO], budget_s=60)
    [loading_ms] = metrics.metric_set["ModelLoadLatency"]["Value"]
    metrics.clear_metrics()
    assert loading_ms > 0


def test_a_bad_image_is_rejected_beside_good_ones(held: Callable[..., Any], mar: Path) -> None:
    good, bad, none, again = held(mar).ask([PHOTO, b"text", b"", PHOTO], budget_s=60)
    assert isinstance(bad, ImageRejected)
    assert isinstance(none, ImageRejected)
    assert (bad.code, none.code) == ("unsupported_format", "empty")
    assert bad.model == good.model
    assert good == again


def test_many_images_are_answered_as_each_alone(held: Callable[..., Any], mar: Path) -> None:
    model = held(mar)
    images = [PHOTO, OTHER] * 5
    assert model.ask(images, budget_s=60) == [model.ask([it], budget_s=60)[0] for it in images]


def test_an_order_for_another_model_waits(held: Callable[..., Any], mar: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"balls@9\.9 was asked for, and this stack's model is balls@1\.0"):
        held(mar).ask([PHOTO], budget_s=60, model=ModelFacts(name="balls", version="9.9"))


def test_a_candidate_beside_the_model_takes_turns_with_it_and_answers_alike(
    held: Callable[..., Any], mar: Path
) -> None:
    """The memory of one function has room for one picture that is large while it is read."""
    one_at_once = Lock()
    first, second = held(mar, one_at_once=one_at_once), held(mar, one_at_once=one_at_once)
    with one_at_once, pytest.raises(ModelUnavailable, match="was busy with other images"):
        first.ask([PHOTO], budget_s=0.01)
    with one_at_once, pytest.raises(ModelUnavailable, match="was busy with other images"):
        second.ask([PHOTO], budget_s=0.01)
    assert first.ask([PHOTO, OTHER], budget_s=60) == second.ask([PHOTO, OTHER], budget_s=60)
    second.close()
    assert len(first.ask([PHOTO], budget_s=60)) == 1


def test_images_for_which_no_time_is_left_wait_and_are_not_rejected(held: Callable[..., Any], mar: Path) -> None:
    model = held(mar)
    model.ask([PHOTO], budget_s=60)
    answers = model.ask([PHOTO], budget_s=0)
    assert all(isinstance(it, ModelUnavailable) for it in answers)


def without_openvino(folder: Path) -> None:
    document = json.loads((folder / "model.json").read_text())
    document["engines"] = []
    (folder / "model.json").write_text(json.dumps(document))


def with_another_network(folder: Path) -> None:
    golden = json.loads((folder / "golden.json").read_text())
    for picture in golden["pictures"]:
        picture["logits"] = picture["logits"][::-1]
    (folder / "golden.json").write_text(json.dumps(golden))


def with_damaged_weights(folder: Path) -> None:
    for name in ("openvino.bin", "openvino-int8.bin"):
        (folder / name).write_bytes(b"no weights")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (without_openvino, r"holds nothing for openvino\. Package it with --engine openvino"),
        (with_another_network, "golden predictions are off"),
        (with_damaged_weights, r"openvino-int8\.bin is missing, or is not the file that model\.json names"),
    ],
)
def test_an_archive_that_cannot_serve_costs_no_image_and_says_why(
    held: Callable[..., Any], for_openvino: Path, tmp_path: Path, damage: Callable[[Path], None], sentence: str
) -> None:
    folder = shutil.copytree(for_openvino, tmp_path / "balls")
    damage(folder)
    mar = Path(shutil.make_archive(str(tmp_path / "balls"), "zip", folder))
    with pytest.raises(ModelUnavailable, match=sentence):
        held(mar).ask([PHOTO], budget_s=60)


def test_a_failure_is_remembered_for_a_while_and_then_tried_again(held: Callable[..., Any], mar: Path) -> None:
    from pipeline.model_here.model import FAILED_FOR_S

    now, fetched = [0.0], list[Path]()

    def fetch(folder: Path) -> Path:
        fetched.append(folder)
        if len(fetched) == 1:
            raise ModelUnavailable("S3 has a bad minute")
        return Path(shutil.copy(mar, folder))

    model = held(fetch, now_s=lambda: now[0])
    for _ in range(3):
        with pytest.raises(ModelUnavailable, match="bad minute"):
            model.ask([PHOTO], budget_s=60)
    assert len(fetched) == 1
    now[0] = FAILED_FOR_S + 1
    assert isinstance(model.ask([PHOTO], budget_s=60)[0], ServerAnswer)


def test_nothing_stays_on_the_disk(
    held: Callable[..., Any], mar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert isinstance(held(mar).ask([PHOTO], budget_s=60)[0], ServerAnswer)
    assert not list(tmp_path.iterdir())
