"""The model inside the function, on the embedded AWS: no server, no gate, and the same answers."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.contracts import ImageRef, Order
from pipeline.queue.orders import body_of
from tests.functions.factories import sqs_event
from tests.stack.aws import Permission, Root, policies_of, without
from tests.stack.conftest import PATIENCE_S, Console, until

pytestmark = [pytest.mark.torch, pytest.mark.stack]

LAMBDA_BYTES = 250 * 2**20  # of a function and its layers, unzipped
CLOSE = 0.05  # of a probability: the server may have chosen bf16 on this machine


@pytest.fixture(scope="module")
def archive(stack: Console) -> Path:
    """The demo's, which the other stack's server serves."""
    return stack.home / "models" / "balls.mar"


@pytest.fixture(scope="module")
def without_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    console = Console(tmp_path_factory.mktemp("function") / "home")
    try:
        yield console
    finally:
        console.run("down", "--delete-data")


def test_before_there_is_a_model_images_wait_and_then_they_are_classified_as_a_server_does(
    without_server: Console, stack: Console, archive: Path, photos: list[Path], tmp_path: Path
) -> None:
    without_server.podium("up", "--no-server")
    few = {name_of(photo): photo.read_bytes() for photo in photos[::6]}
    for name, data in {**few, "bad.jpg": photos[0].read_bytes()[:300]}.items():
        (tmp_path / name).write_bytes(data)
    without_server.podium("drop", str(tmp_path), "--batch", "early")
    status = without_server.json("status")
    assert (status["model_server_url"], status["model_server_answers"], status["model_archive"]) == (None, None, None)
    assert "there is no model yet, and images wait" in without_server.podium("status")

    without_server.podium("up", "--archive", str(archive))  # it stays without a server
    without_server.podium("watch", "early", "--timeout", PATIENCE_S)
    rows = {Path(row["image"]).name: row for row in without_server.results("early")}
    assert len(rows) == len(few) + 1
    assert rows["bad.jpg"]["rejected_code"] == "unreadable"
    served = {name_of(Path(row["image"])): row for row in stack.results("demo")}
    for name in few:
        ours, theirs = rows[name], served[name]
        assert (ours["label"], ours["model"]) == (theirs["label"], theirs["model"])
        assert float(ours["probability"]) == pytest.approx(float(theirs["probability"]), abs=CLOSE)
    assert not list(without_server.home.glob("torchserve/*"))


def test_an_archive_with_another_digest_is_not_loaded_and_its_images_are_not_lost(
    without_server: Console, archive: Path, photos: list[Path]
) -> None:
    """The message comes again until somebody deploys the right one."""
    without_server.podium("up", "--no-server", "--archive", str(archive))
    without_server.podium("deploy", "--parameter", f"ModelArchiveSha256={'0' * 64}")
    without_server.podium("drop", str(photos[0]), "--batch", "wrong")
    until("the function says why", lambda: "and the deployment names 0000" in log_of(without_server))
    assert without_server.results("wrong") == []
    shutil.copy(archive, without_server.home / "same.mar")
    without_server.podium("deploy", "--archive", str(without_server.home / "same.mar"))
    without_server.podium("watch", "wrong", "--timeout", PATIENCE_S)
    [row] = without_server.results("wrong")
    assert row["status"] == "classified"


def test_the_function_needs_its_permission_to_read_the_model(without_server: Console, photos: list[Path]) -> None:
    secret = json.loads((without_server.home / "local.json").read_text())["secret"]
    root = Root(without_server.json("status"), secret)
    bucket, name = root.facts["input_bucket"], f"{root.facts['stack']}-classify"
    put = root.s3.put_object(Bucket=bucket, Key="incoming/p/a.jpg", Body=photos[0].read_bytes())
    image = ImageRef(
        bucket=bucket,
        key="incoming/p/a.jpg",
        version_id=put["VersionId"],
        etag=put["ETag"].strip('"'),
        size_bytes=1,
        sequencer="00",
    )
    read_model = Permission("Classify", "ReadModel", "s3:GetObjectVersion")
    with without(read_model, root, policies_of(root)["Classify"]):
        variables = root.functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        anew = {"Variables": variables | {"A_PROCESS": "anew"}}
        root.functions.update_function_configuration(FunctionName=name, Environment=anew)
        answer, log = root.invoke("classify", sqs_event(body_of(Order(image=image, batch="p"))))
    assert answer["batchItemFailures"], log
    assert re.search("the model's archive .* cannot be fetched: .*(AccessDenied|not authorized|Forbidden)", log), log


def test_layer_and_function_fit_into_lambda_and_hold_what_computes_and_nothing_else(without_server: Console) -> None:
    """As `sam build` made them for this stack."""
    built = without_server.home / "build"
    layer = built / "EngineLayer" / "python"
    names = {path.name for path in layer.iterdir()}
    assert names >= {"inference", "numpy", "openvino", "PIL", "pi_heif", "simplejpeg"}
    assert names.isdisjoint({"torch", "torchvision", "timm", "safetensors", "boto3"})
    libraries = {path.name for path in (layer / "openvino" / "libs").iterdir()}
    assert any(name.startswith("libopenvino_intel_cpu_plugin") for name in libraries)
    assert not [name for name in libraries if re.search("gpu|npu|onnx|tensorflow|pytorch|paddle", name)]
    together = sum(path.stat().st_size for folder in (layer, built / "ClassifyFunction") for path in folder.rglob("*"))
    assert together < 0.9 * LAMBDA_BYTES


def name_of(photo: Path) -> str:
    """The demo's photos of two classes have the same names."""
    return f"{photo.parent.name}-{photo.name}"


def log_of(console: Console) -> str:
    return (console.home / "logs" / "emulator.log").read_text(errors="replace")
