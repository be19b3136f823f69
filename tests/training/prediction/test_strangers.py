"""A stranger's archive or run folder is data: nothing it names is fetched, unpickled or run, and no claim is believed."""

from __future__ import annotations

import json
import pickle
import shutil
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.training.conftest import write_photos
from tests.training.evaluation.runs import write_run
from training.errors import TrainingError

pytestmark = pytest.mark.torch

Use = Callable[[Path, Path], object]


class Fetched(HTTPServer):
    """A loopback server that notes its requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Notes)
        self.paths: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/weights.pth"


class _Notes(BaseHTTPRequestHandler):
    server: Fetched

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        self.send_error(404)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def fetched() -> Iterator[Fetched]:
    with Fetched() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("photos"), per_class=2)


@pytest.fixture(scope="module")
def runs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "run", data)


@pytest.fixture
def a_run(runs: Path, tmp_path: Path) -> Path:
    return shutil.copytree(runs, tmp_path / "run")


@pytest.fixture
def a_mar(runs: Path, tmp_path: Path, handler: Path) -> Path:
    from training.packaging.package import package

    return package(runs, name="colours", version="1.0", export_dir=tmp_path, handler=handler)


def changed(model: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The run or the archive with another model.json."""

    def rewritten(text: bytes) -> bytes:
        document = json.loads(text)
        change(document)
        return json.dumps(document).encode()

    if model.is_dir():
        (model / "model.json").write_bytes(rewritten((model / "model.json").read_bytes()))
        return model
    return rewritten_mar(model, lambda name, text: rewritten(text) if name == "model.json" else text)


def setting(**fields: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document.update(fields)


def rewritten_mar(mar: Path, change: Callable[[str, bytes], bytes]) -> Path:
    target = mar.with_name("stranger.mar")
    with zipfile.ZipFile(mar) as source, zipfile.ZipFile(target, "w") as written:
        for name in source.namelist():
            written.writestr(name, change(name, source.read(name)))
    return target


def predict(model: Path, data: Path) -> object:
    from training.prediction.predict import predict

    return list(predict(model, [data]))


def evaluate(model: Path, _: Path) -> object:
    from training.evaluation.evaluate import evaluate

    return evaluate(model)


def package(model: Path, _: Path) -> object:
    from training.packaging.package import package

    return package(model, name="colours", version="1.0", export_dir=model.parent / "out", handler=model / "model.json")


def refusal(use: Use, model: Path, data: Path) -> str:
    with pytest.raises(TrainingError) as caught:
        use(model, data)
    return str(caught.value)


USES = [("a_run", predict), ("a_run", evaluate), ("a_run", package), ("a_mar", predict)]


@pytest.mark.parametrize(("kind", "use"), USES, ids=["predict-run", "evaluate-run", "package-run", "predict-mar"])
def test_no_address_and_no_path_in_model_args_is_followed(
    request: pytest.FixtureRequest, fetched: Fetched, data: Path, tmp_path: Path, kind: str, use: Use
) -> None:
    marker = tmp_path / "unpickled"
    (tmp_path / "weights.pth").write_bytes(pickle.dumps(_Opens(marker)))
    original: Path = request.getfixturevalue(kind)
    for arguments, words in (
        ({"pretrained_cfg": {"url": fetched.url}}, "pretrained_cfg = "),
        ({"pretrained_cfg_overlay": {"url": fetched.url}}, "pretrained_cfg_overlay = "),
        ({"pretrained": True, "pretrained_cfg": {"file": str(tmp_path / "weights.pth")}}, "pretrained = True"),
        ({"checkpoint_path": str(tmp_path / "weights.pth")}, "checkpoint_path = "),
        ({"cache_dir": str(tmp_path / "cache")}, "cache_dir = "),
    ):
        model = changed(original, setting(model_args=arguments))
        sentence = refusal(use, model, data)
        assert f"model_args: {words}" in sentence
        assert "may not be set" in sentence
    for name in (f"hf-hub:{fetched.url}", f"local-dir:{tmp_path}", "hf-hub:timm/resnet18.a1_in1k"):
        model = changed(original, setting(architecture=name, model_args={}))
        assert "expected the name of a network" in refusal(use, model, data)
    assert fetched.paths == []
    assert not marker.exists()
    assert not (tmp_path / "cache").exists()


class _Opens:
    """Unpickling it opens a file for writing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize(("kind", "use"), USES, ids=["predict-run", "evaluate-run", "package-run", "predict-mar"])
@pytest.mark.parametrize(
    ("claim", "words"),
    [
        ({"temperature": float("nan")}, "NaN is no number"),
        ({"temperature": 0}, "temperature is 0"),
        ({"temperature": -1}, "temperature is -1"),
        ({"classes": ["amber"] * 3}, "'amber' is there twice"),
        ({"schema_version": "3.0"}, "Update Podium"),
        ({"metrics": None}, "metrics"),
        ({"git_commit": 1}, "git_commit is 1"),
    ],
    ids=ascii,
)
def test_a_claim_that_cannot_be_is_refused(
    request: pytest.FixtureRequest, data: Path, kind: str, use: Use, claim: dict[str, object], words: str
) -> None:
    model = changed(request.getfixturevalue(kind), lambda document: document.update(claim))
    sentence = refusal(use, model, data)
    assert words in sentence
    assert str(model) in sentence


@pytest.mark.parametrize(
    ("key", "value"),
    [("std", [0, 0, 0]), ("std", [-0.1, 0.1, 0.1]), ("input_size", [3, 90_000, 90_000]), ("crop_pct", 1e-7)],
)
@pytest.mark.parametrize(("kind", "use"), USES, ids=["predict-run", "evaluate-run", "package-run", "predict-mar"])
def test_preprocessing_that_cannot_be_is_refused(
    request: pytest.FixtureRequest, data: Path, kind: str, use: Use, key: str, value: object
) -> None:
    model = changed(request.getfixturevalue(kind), lambda document: document["preprocessing"].update({key: value}))
    assert f"preprocessing.{key} is" in refusal(use, model, data)


def test_weights_that_do_not_answer_as_they_were_packaged_are_refused(a_mar: Path, data: Path) -> None:
    """Their digest fits, as somebody would see to who changes an archive."""
    from safetensors.torch import load, save

    from inference.archive.digest import file_sha256

    with zipfile.ZipFile(a_mar) as opened:
        tensors = load(opened.read("model.safetensors"))
    tensors["fc.weight"] += 1
    weights = save(tensors)

    def change(name: str, content: bytes) -> bytes:
        if name == "model.json":
            document = json.loads(content)
            document["weights"]["sha256"] = file_sha256(weights)
            return json.dumps(document).encode()
        return weights if name == "model.safetensors" else content

    assert "It is not what was packaged: its golden predictions are off by" in refusal(
        predict, rewritten_mar(a_mar, change), data
    )


def test_an_archive_of_the_first_days_is_still_used(a_mar: Path, data: Path) -> None:
    """Those had neither golden pictures nor engines."""
    target = a_mar.with_name("old.mar")
    with zipfile.ZipFile(a_mar) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as written:
        for name in source.namelist():
            if name != "golden.json":
                document = json.loads(source.read(name)) if name == "model.json" else {}
                document.pop("engines", None)
                document.get("data", {}).pop("test_images", None)
                written.writestr(name, json.dumps(document) if document else source.read(name))
    assert predict(target, data) == predict(a_mar, data)


def test_the_code_in_an_archive_is_not_run_by_a_prediction(a_mar: Path, data: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    code = f"open({str(marker)!r}, 'w')\n".encode()
    with zipfile.ZipFile(a_mar) as opened:
        assert {"handler.py"} <= set(opened.namelist())
    stranger = rewritten_mar(a_mar, lambda name, content: code if name.endswith(".py") else content)
    assert predict(stranger, data) == predict(a_mar, data)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"channels": [16_384] * 4}, "The weights do not make a resnet10t"),  # 16 GB, were they made
        ({"layers": [16_384] * 4}, "has more than 20,000 layers and parameters"),
        ({"no_such_argument": 1}, "model_args do not fit resnet10t: with no_such_argument = 1 it cannot be made."),
        ({"output_stride": 7}, "model_args do not fit resnet10t: with output_stride = 7 it cannot be made."),
        ({"num_classes": 7}, "num_classes = 7 may not be set: the classes decide it"),
        ({"features_only": True}, "features_only = True may not be set"),
        ({"in_chans": 4}, "The weights do not make a resnet10t"),
        (
            {"global_pool": ""},
            "model_args do not fit resnet10t: with global_pool = '' it cannot take a picture of 32 x 32",
        ),
    ],
    ids=ascii,
)
def test_a_network_that_the_weights_do_not_make_costs_no_memory(
    a_copy: Path, photos: Path, arguments: dict[str, object], words: str
) -> None:
    model = changed(a_copy, lambda document: document["model_args"].update(arguments))
    sentence = refusal(predict, model, photos)
    assert words in sentence
    assert sentence.endswith("or train again.")
    assert not any(word in sentence for word in ("()", "got ", "object has", "Error", "addmm", "mat1"))


def test_a_network_that_cannot_take_its_own_input_is_refused(a_run: Path, data: Path) -> None:
    import timm
    from safetensors.torch import save_file

    from inference.archive.digest import file_sha256

    arguments: dict[str, Any] = {"widths": [4], "repeats": 1, "dense": [], "img_size": 64}
    network = timm.create_model("plain_cnn", num_classes=3, **arguments)
    save_file(network.state_dict(), a_run / "model.safetensors")
    sha256 = file_sha256(a_run / "model.safetensors")
    changed(a_run, lambda document: document.update(architecture="plain_cnn", model_args=arguments))
    changed(a_run, lambda document: document["weights"].update(sha256=sha256))
    for use in (predict, evaluate, package):
        assert "cannot take a picture of 32 x 32, its own size" in refusal(use, a_run, data)
