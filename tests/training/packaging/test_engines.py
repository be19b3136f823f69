"""What an archive carries for other engines than torch: listed with digests, the same bytes each time, int8 only if good."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.training.packaging.test_package import packed
from training.errors import TrainingError, WrongInput

if TYPE_CHECKING:
    from inference.images.pixels import Pixels
    from training.model.model_file import ModelFile
    from training.run import Run

pytestmark = pytest.mark.torch

FOR_OPENVINO = ["openvino.bin", "openvino.xml"]
FOR_INT8 = ["openvino-int8.bin", "openvino-int8.xml"]


def facts_in(archive: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The model.json of an archive, and the digests of all its files."""
    with zipfile.ZipFile(archive) as opened:
        digests = {name: hashlib.sha256(opened.read(name)).hexdigest() for name in opened.namelist()}
        return json.loads(opened.read("model.json")), digests


def looked_at(facts: ModelFile, photos: Path) -> Pixels:
    from inference.images.pixels import model_input

    return np.stack(
        [model_input(path.read_bytes(), facts.preprocessing.transform) for path in sorted(photos.rglob("*.png"))]
    )


@pytest.fixture(scope="session")
def twice(finished: Run, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two archives of the same run, with all that OpenVINO can load."""
    handler = tmp_path_factory.mktemp("serving") / "handler.py"
    handler.write_text("def handle(data, context):\n    return data\n")
    (handler.parent / "inference").mkdir()
    (handler.parent / "model-config.yaml").write_text("handler:\n  engine: auto\n  precision: auto\n")
    return [
        packed(finished.folder, handler, tmp_path_factory.mktemp("models"), engine="openvino", precision="int8")
        for _ in range(2)
    ]


def test_the_same_run_is_packed_with_an_engine_as_the_same_bytes(twice: list[Path]) -> None:
    """OpenVINO numbers what it makes anew in each process, and counts on within one."""
    one, two = (facts_in(archive)[1] for archive in twice)
    assert one == two
    assert twice[0].read_bytes() == twice[1].read_bytes()


def test_the_files_of_an_engine_are_in_the_archive_and_in_its_record_with_their_digests(twice: list[Path]) -> None:
    facts, digests = facts_in(twice[0])
    whole, int8 = facts["engines"]
    assert (whole["engine"], whole["precisions"], sorted(whole["files"])) == (
        "openvino",
        ["fp32", "bf16"],
        FOR_OPENVINO,
    )
    assert (int8["engine"], int8["precisions"], sorted(int8["files"])) == ("openvino", ["int8"], FOR_INT8)
    for entry in (whole, int8):
        assert next(iter(entry["files"])).endswith(".xml"), "the first is what the engine loads"
        assert entry["files"] == {name: digests[name] for name in entry["files"]}
    assert int8["agreement"] >= 0.99
    assert int8["held_out"] == 3, "of the validation photos"


def test_an_archive_for_torch_holds_no_files_of_engines(finished: Run, handler: Path, tmp_path: Path) -> None:
    for engine in ("torch", "torch-compiled"):
        facts, digests = facts_in(packed(finished.folder, handler, tmp_path, engine=engine))
        assert facts["engines"] == []
        assert not {"openvino.xml", "openvino-int8.xml"} & set(digests)


@pytest.fixture(scope="module")
def not_exportable(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A network with an operation that OpenVINO does not know: it resamples its positions for every image."""
    from tests.training.conftest import tiny_config
    from training.fine_tune import train

    run = tmp_path_factory.mktemp("vit") / "run"
    return train(tiny_config(photos, run, model="test_vit", model_args={}, epochs=1))


def test_a_network_that_openvino_does_not_know_is_served_by_torch_if_no_engine_was_named(
    not_exportable: Run, handler: Path, tmp_path: Path
) -> None:
    notes: list[str] = []
    config = handler.parent / "model-config.yaml"
    archive = packed(not_exportable.folder, handler, tmp_path, engine="auto", config_file=config, on_note=notes.append)
    assert facts_in(archive)[0]["engines"] == []
    [note] = notes
    assert note.startswith("OpenVINO cannot run test_vit (")
    assert note.endswith("_upsample_bicubic2d_aa.default): torch serves it")
    with zipfile.ZipFile(archive) as opened:
        assert "  engine: torch" in opened.read("model-config.yaml").decode()


@pytest.mark.parametrize(("engine", "precision"), [("openvino", "fp32"), ("auto", "int8")])
def test_a_network_that_the_named_engine_does_not_know_is_refused_in_a_sentence(
    not_exportable: Run, handler: Path, tmp_path: Path, engine: str, precision: str
) -> None:
    with pytest.raises(TrainingError, match=r"OpenVINO cannot run test_vit \(.*\)\. Package it with --engine torch\.$"):
        packed(not_exportable.folder, handler, tmp_path, engine=engine, precision=precision)
    assert list(tmp_path.glob("*.mar")) == []


def test_machine_code_for_a_gpu_names_the_one_generation_that_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the server asks for it, on a machine whose torch says that it has an L4."""
    import torch

    from inference.engines.seam import Machine
    from inference.engines.torch_device import gpu_generation
    from training.packaging.aotinductor import generation

    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _: (8, 9))
    assert generation(torch.device("cuda:0")) == (gpu_generation(Machine("cuda:0")),) == ("sm_89",)
    assert gpu_generation(Machine("cpu")) is None


@pytest.mark.parametrize("engine", ["torch", "torch-compiled", "aotinductor"])
def test_int8_is_refused_for_an_engine_that_does_not_have_it(
    finished: Run, handler: Path, tmp_path: Path, engine: str
) -> None:
    with pytest.raises(WrongInput, match=rf"the engine is {engine}\. Use --engine openvino"):
        packed(finished.folder, handler, tmp_path, engine=engine, precision="int8")


def test_all_engines_in_one_archive_leave_the_choice_to_the_server(
    finished: Run, handler: Path, tmp_path: Path
) -> None:
    if shutil.which("g++") is None:
        pytest.skip("AOTInductor needs a C++ compiler, and there is none")
    config = tmp_path / "model-config.yaml"
    config.write_text("handler:\n  engine: auto\n  precision: auto\n")
    archive = packed(finished.folder, handler, tmp_path / "out", engine="all", config_file=config)
    facts, digests = facts_in(archive)
    assert [engine["engine"] for engine in facts["engines"]] == ["openvino", "aotinductor"]
    assert {name for engine in facts["engines"] for name in engine["files"]} <= set(digests)
    with zipfile.ZipFile(archive) as opened:
        assert "  engine: auto\n  precision: auto\n" in opened.read("model-config.yaml").decode()


def test_a_compiler_that_is_missing_is_named_with_what_to_do(
    finished: Run, handler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(TrainingError, match=r"install g\+\+, or package with --engine openvino or torch"):
        packed(finished.folder, handler, tmp_path, engine="aotinductor", precision="fp32")
    assert list(tmp_path.glob("*.mar")) == []


def test_the_graph_for_openvino_answers_as_the_network_does_for_one_image_and_for_many(
    twice: list[Path], finished: Run, photos: Path, tmp_path: Path
) -> None:
    import openvino
    import torch

    from training.evaluation.metrics import logits_of
    from training.model.network import load_run

    with zipfile.ZipFile(twice[0]) as opened:
        for name in FOR_OPENVINO:
            opened.extract(name, tmp_path)
    network, facts = load_run(finished.folder)
    pixels = looked_at(facts, photos)
    planes = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    expected = logits_of(network, planes, facts.preprocessing, torch.device("cpu")).numpy()
    compiled = openvino.compile_model(tmp_path / "openvino.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for count in (1, 2, len(pixels)):
        np.testing.assert_allclose(compiled([pixels[:count]])[0], expected[:count], atol=1e-4)


def many_classes_alike(finished: Run) -> tuple[Any, ModelFile]:
    """A network of 500 random classes, between which the least rounding decides."""
    import timm
    import torch

    from training.model.network import load_run

    _, facts = load_run(finished.folder)
    torch.manual_seed(0)
    network = timm.create_model(facts.architecture, num_classes=500, **facts.model_args).eval()
    return network, facts


def test_an_int8_network_that_names_other_classes_than_fp32_is_not_written_unless_the_gate_is_lowered(
    finished: Run, tmp_path: Path
) -> None:
    from training.packaging.openvino import export_int8

    network, facts = many_classes_alike(finished)
    colours = np.random.default_rng(0).integers(0, 256, (40, 1, 1, 3), dtype=np.uint8)
    one_black = np.zeros((1, 32, 32, 3), np.uint8)  # from which nobody learns how far the numbers of others reach
    photos: dict[str, Any] = {"calibration": one_black, "held_out": np.tile(colours, (1, 32, 32, 1))}
    with pytest.raises(TrainingError, match=r"under the gate of 99\.0%: it is not packaged\. Package with --precision"):
        export_int8(network, facts, tmp_path, **photos, least_agreement=0.99)
    assert list(tmp_path.iterdir()) == []
    entry = export_int8(network, facts, tmp_path, **photos, least_agreement=0.0)
    assert entry.agreement is not None
    assert entry.agreement < 0.99
    assert entry.held_out == 40


def test_to_quantise_prints_nothing_on_stdout_which_belongs_to_the_report(
    finished: Run, photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from training.model.network import load_run
    from training.packaging.openvino import export_int8

    network, facts = load_run(finished.folder)
    pixels = looked_at(facts, photos)
    export_int8(network, facts, tmp_path, calibration=list(pixels[:4]), held_out=pixels[4:6], least_agreement=0.5)
    assert capfd.readouterr().out == ""


def test_int8_is_measured_on_photos_that_it_was_not_calibrated_with(finished: Run) -> None:
    from training.model.network import load_run
    from training.packaging.engines import _photos

    _, facts = load_run(finished.folder)
    calibration, held_out = (_photos(finished.folder, facts, split, 100) for split in ("train", "validation"))
    assert not {it.tobytes() for it in calibration} & {it.tobytes() for it in held_out}
    assert len(calibration) + len(held_out) == 18
    assert len(_photos(finished.folder, facts, "train", 4)) == 4, "spread over all of them"


def test_a_run_whose_photos_are_gone_cannot_be_calibrated_and_says_so(
    a_copy: Path, handler: Path, tmp_path: Path
) -> None:
    config = (a_copy / "config.yaml").read_text().splitlines()
    moved = [f"data: {tmp_path / 'gone'}" if line.startswith("data:") else line for line in config]
    (a_copy / "config.yaml").write_text("\n".join(moved) + "\n")
    with pytest.raises(WrongInput, match=r"int8 is calibrated with the run's photos, and none of them is in .*gone"):
        packed(a_copy, handler, tmp_path / "models", engine="openvino", precision="int8")
