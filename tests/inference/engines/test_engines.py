"""Which engine serves an archive, and what takes its place if it cannot: the predictions stay the network's own."""

from __future__ import annotations

import json
import logging
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from inference.archive.digest import file_sha256
from inference.archive.golden_pictures import read_golden
from inference.archive.model_file import read_model_file
from inference.engines.choice import candidates, choose, choose_for_all
from inference.engines.seam import EngineFailed, Machine
from inference.images.pixels import EvalTransform
from tests.model_server.archives import PREPROCESSING, change, write_golden, write_unpacked
from tests.model_server.handlers import ask, loaded, probabilities

if TYPE_CHECKING:
    from inference.archive.golden_pictures import GoldenPicture
    from inference.engines.seam import Logits
    from inference.images.pixels import Pixels

pytestmark = pytest.mark.torch

Damage = Callable[[Path], object]


@pytest.fixture
def archive(for_openvino: Path, tmp_path: Path) -> Path:
    """A copy of the archive with OpenVINO's files, to be damaged."""
    return shutil.copytree(for_openvino, tmp_path / "balls")


def lists_anew(archive: Path) -> None:
    """The digests that model.json names are made those of the files that are there."""
    engines = json.loads((archive / "model.json").read_text())["engines"]
    for entry in engines:
        entry["files"] = {name: file_sha256(archive / name) for name in entry["files"]}
    change(archive, engines=engines)


def no_longer_a_network(archive: Path) -> None:
    (archive / "openvino.xml").write_text("<net/>")
    lists_anew(archive)


def weights_cut_short(archive: Path) -> None:
    weights = (archive / "openvino.bin").read_bytes()
    (archive / "openvino.bin").write_bytes(weights[: len(weights) // 2])
    lists_anew(archive)


def one_byte_other(archive: Path) -> None:
    weights = bytearray((archive / "openvino.bin").read_bytes())
    weights[1000] ^= 1
    (archive / "openvino.bin").write_bytes(weights)


def other_weights(archive: Path) -> None:
    """The reference and its golden predictions are of another network than OpenVINO's files."""
    from safetensors.torch import load_file, save_file

    weights = archive / "model.safetensors"
    changed = {name: it * 1.1 if it.is_floating_point() else it for name, it in load_file(weights).items()}
    save_file(changed, weights)
    write_golden(change(archive, weights={"file": weights.name, "sha256": file_sha256(weights)}))


DAMAGES: dict[str, tuple[Damage, str]] = {
    "missing": (lambda archive: (archive / "openvino.xml").unlink(), "openvino.xml is missing, or is not the file"),
    "without its weights": (lambda archive: (archive / "openvino.bin").unlink(), "openvino.bin is missing, or is not"),
    "changed": (one_byte_other, "openvino.bin is missing, or is not the file that model.json names"),
    "no network": (no_longer_a_network, "OpenVINO cannot load openvino.xml"),
    "cut short": (weights_cut_short, "OpenVINO cannot load openvino.xml"),
    "another network": (other_weights, "its golden predictions are off by"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_if_an_engine_cannot_serve_the_reference_does_and_response_and_log_say_why(
    archive: Path, photos: list[bytes], damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    spoil, reason = DAMAGES[damage]
    spoil(archive)
    handler = loaded(archive, engine="openvino", precision="fp32")
    [body], _ = ask(handler, {"body": photos[0]})
    model = json.loads(body)["model"]
    assert model["engine"] == "torch-fp32"
    assert model["engine_fallback"].startswith("openvino-fp32: ")
    assert reason in model["engine_fallback"]
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        f"engine not usable: {model['engine_fallback']}"
    ]
    assert probabilities(handler, photos[0]) == pytest.approx(
        probabilities(loaded(archive, engine="torch"), photos[0]), abs=1e-6
    )


def test_one_damaged_network_does_not_keep_the_others_from_serving(archive: Path) -> None:
    weights_cut_short(archive)
    facts = loaded(archive, engine="openvino").classifier.facts
    assert facts["engine"] == "openvino-int8"
    assert "engine_fallback" not in facts


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"engine": "openvino"}, "openvino-any precision: The archive does not hold it."),
        ({"engine": "openvino", "precision": "bf16"}, "openvino-bf16: The archive does not hold it."),
        ({"engine": "aotinductor"}, "aotinductor-any precision: The archive does not hold it."),
        ({"engine": "auto", "precision": "int8"}, "openvino-int8: The archive does not hold it."),
        ({"engine": "torch", "precision": "int8"}, "torch-int8: torch serves fp32 and bf16; int8 is OpenVINO's."),
    ],
)
def test_an_engine_that_the_archive_does_not_hold_is_replaced_by_the_reference(
    unpacked: Path, settings: dict[str, str], reason: str
) -> None:
    facts = loaded(unpacked, **settings).classifier.facts
    assert facts["engine"] == "torch-fp32"
    assert reason in facts["engine_fallback"]


def test_an_archive_that_was_compiled_for_gpus_says_on_a_cpu_that_the_reference_serves(
    unpacked: Path, tmp_path: Path
) -> None:
    archive = shutil.copytree(unpacked, tmp_path / "balls")
    compiled = [
        {"engine": "aotinductor", "precisions": ["bf16"], "files": {"aotinductor-bf16.pt2": "0" * 64}, "processor": []}
    ]
    change(archive, engines=compiled)
    model = loaded(archive).classifier.facts
    assert model["engine"] == "torch-fp32"
    assert "openvino-any precision: The archive does not hold it" in model["engine_fallback"]


@pytest.mark.parametrize(
    "settings", [{}, {"engine": "auto"}, {"engine": "torch"}, {"engine": "torch", "precision": "fp32"}]
)
def test_an_archive_without_engines_is_served_by_the_reference_and_that_is_no_fallback(
    unpacked: Path, settings: dict[str, str]
) -> None:
    facts = loaded(unpacked, **settings).classifier.facts
    assert facts["engine"] == "torch-fp32"
    assert "engine_fallback" not in facts


@pytest.mark.parametrize("engine", ["auto", "torch", "openvino", "aotinductor"])
def test_whatever_an_archive_without_engines_is_configured_for_its_workers_agree(
    unpacked: Path, tmp_path: Path, engine: str
) -> None:
    archive = shutil.copytree(unpacked, tmp_path / "balls")
    workers = [loaded(archive, engine=engine) for _ in range(2)]
    assert {it.classifier.engine for it in workers} == {"torch-fp32"}
    assert len({str(it.classifier.facts) for it in workers}) == 1


def test_machine_code_for_a_better_cpu_is_not_loaded_and_the_reference_serves(
    for_aotinductor: Path, tmp_path: Path
) -> None:
    """To try it would end the worker with SIGILL, at every restart."""
    archive = shutil.copytree(for_aotinductor, tmp_path / "balls")
    [engine] = json.loads((archive / "model.json").read_text())["engines"]
    assert "sse2" in engine["processor"] or platform.machine() != "x86_64"
    change(archive, engines=[{**engine, "processor": [*engine["processor"], "avx1024"]}])
    facts = loaded(archive, engine="aotinductor").classifier.facts
    assert facts["engine"] == "torch-fp32"
    assert "It was compiled for a CPU with avx1024" in facts["engine_fallback"]


class AGpu(Machine):
    """A machine whose torch says that it has a GPU, though it computes on the CPU."""

    @property
    def has_gpu(self) -> bool:
        return True


@pytest.fixture
def a10g(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """As an instance of the family g5: generation 8.6."""
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _: (8, 6))
    monkeypatch.setattr("torch.cuda.set_device", lambda _: None)
    return AGpu()


def for_gpus_of(generation: str, for_aotinductor: Path, folder: Path) -> Path:
    """The archive with machine code, as if it had been compiled for GPUs of a generation."""
    archive = shutil.copytree(for_aotinductor, folder / "balls")
    [engine] = json.loads((archive / "model.json").read_text())["engines"]
    change(archive, engines=[{**engine, "processor": [generation]}])
    return archive


@pytest.mark.parametrize("settings", [{}, {"engine": "aotinductor"}], ids=["auto", "aotinductor"])
def test_machine_code_of_another_gpu_generation_is_replaced_by_bf16_never_by_fp32(
    for_aotinductor: Path, tmp_path: Path, a10g: Machine, settings: dict[str, Any]
) -> None:
    archive = for_gpus_of("sm_89", for_aotinductor, tmp_path)
    model = read_model_file(archive)
    golden = read_golden(archive, EvalTransform.of(model.preprocessing), len(model.classes))
    chosen = choose(archive, model, golden, a10g, **settings)
    assert chosen.engine.name == "torch-bf16"
    assert chosen.fallback is not None
    assert "It was compiled for GPUs of sm_89, and here is a GPU of sm_86. Package it on a GPU" in chosen.fallback
    for_all = partial(choose_for_all, tmp_path / "engine.json", {}, archive, model, golden, a10g)
    assert [for_all(**settings).engine.name for _ in range(2)] == ["torch-bf16", "torch-bf16"]


def test_machine_code_of_this_gpu_generation_serves_and_nothing_stands_in(
    for_aotinductor: Path, tmp_path: Path, a10g: Machine
) -> None:
    archive = for_gpus_of("sm_86", for_aotinductor, tmp_path)
    model = read_model_file(archive)
    found = [(it.name, it.stands_in) for it in candidates(archive, model, a10g, "auto", None)]
    assert found == [("aotinductor-fp32", False), ("torch-bf16", True)]
    from inference.engines.aotinductor import AotInductorEngine

    [file] = [it for it in model.engines if it.engine == "aotinductor"]
    assert file.processor == {"sm_86"}
    with pytest.raises(EngineFailed, match="torch cannot load nothing"):  # it suits, and only then is loaded
        AotInductorEngine(tmp_path / "nothing.pt2", a10g, precision="fp32", processor=file.processor)


def test_a_cpu_that_openvino_does_not_know_is_served_by_the_reference(
    for_openvino: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unknown:
        def get_property(self, *_: str) -> object:
            raise RuntimeError("no plugin for CPU")

    monkeypatch.setattr("openvino.Core", Unknown)
    facts = loaded(for_openvino, engine="openvino").classifier.facts
    assert facts["engine"] == "torch-fp32"
    assert "OpenVINO does not know this CPU: no plugin for CPU" in facts["engine_fallback"]


@pytest.mark.parametrize("content", [b"", b"no package", b"PK\x05\x06" + bytes(18)])
def test_a_compiled_package_that_torch_cannot_load_is_replaced_by_the_reference(
    unpacked: Path, tmp_path: Path, content: bytes
) -> None:
    folder = shutil.copytree(unpacked, tmp_path / "balls")
    (folder / "fp32.pt2").write_bytes(content)
    files = {"fp32.pt2": file_sha256(folder / "fp32.pt2")}
    change(folder, engines=[{"engine": "aotinductor", "precisions": ["fp32"], "files": files, "processor": []}])
    facts = loaded(folder, engine="aotinductor").classifier.facts
    assert facts["engine"] == "torch-fp32"
    assert "aotinductor-fp32: torch cannot load fp32.pt2" in facts["engine_fallback"]


@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++"))), reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("ignore:Guards may run slower on Python 3.13.0")
def test_the_compiled_reference_serves_as_torch_compiled_and_answers_as_it_does_uncompiled(
    photos: list[bytes], tmp_path: Path
) -> None:
    """Compiling takes half a minute, or half of that if torch has it in its cache."""
    folder = write_unpacked(tmp_path / "balls", preprocessing=PREPROCESSING | {"input_size": [3, 32, 32]})
    compiled = loaded(folder, engine="torch-compiled", precision="fp32")
    assert compiled.classifier.facts["engine"] == "torch-compiled-fp32"
    assert "engine_fallback" not in compiled.classifier.facts
    pixels = np.stack([compiled.classifier.read(photo) for photo in photos[:3]])
    expected = loaded(folder, engine="torch").classifier.classify(pixels)
    np.testing.assert_allclose(compiled.classifier.classify(pixels), expected, atol=1e-5)


def test_a_cpu_that_does_not_compute_in_a_precision_says_which_it_knows(
    for_openvino: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import inference.engines.openvino

    monkeypatch.setitem(inference.engines.openvino.SPEAKS, "bf16", "what no CPU knows")
    facts = loaded(for_openvino, engine="openvino", precision="bf16").classifier.facts
    assert facts["engine"] == "torch-fp32"
    assert "This CPU does not compute in bf16; OpenVINO says that it knows " in facts["engine_fallback"]
    assert "engine_fallback" not in loaded(for_openvino, engine="openvino").classifier.facts, "it knows others"


def test_a_machine_without_the_library_is_served_by_the_reference_and_the_reason_says_what_to_install(
    for_openvino: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "inference.engines.openvino", raising=False)
    facts = loaded(for_openvino, engine="openvino", precision="fp32").classifier.facts
    assert facts["engine"] == "torch-fp32"
    assert "Install requirements/model_server.txt" in facts["engine_fallback"]


class FakeEngine:
    """Answers as the golden pictures want it, after a while."""

    def __init__(self, name: str, golden: tuple[GoldenPicture, ...], seconds: float) -> None:
        self.name = name
        self.answers = {it.pixels.tobytes(): it.logits for it in golden}
        self.seconds = seconds

    def itself(self) -> FakeEngine:
        return self

    def logits(self, pixels: Pixels) -> Logits:
        time.sleep(self.seconds)
        return np.stack([self.answers[picture.tobytes()] for picture in pixels])


@pytest.mark.parametrize("slow", [0, 1, 2])
def test_of_several_engines_the_fastest_serves(for_openvino: Path, slow: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from inference.archive.golden_pictures import read_golden
    from inference.classifier import Classifier
    from inference.engines import choice

    reference = Classifier.load(for_openvino, engine="torch")
    golden = read_golden(for_openvino, reference.transform, len(reference.classes))
    fakes = [FakeEngine(f"fake{n}-fp32", golden, 0.0 if n == slow else 0.05) for n in range(3)]
    found = [choice.Candidate(fake.name, partial(FakeEngine.itself, fake)) for fake in fakes]
    monkeypatch.setattr(choice, "candidates", lambda *_: found)
    chosen = choice.choose(for_openvino, reference.model, golden, reference.machine)
    assert chosen == choice.EngineChoice(fakes[slow])


def test_auto_measures_every_network_of_the_archive_and_keeps_the_fastest(
    archive: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    engine = loaded(archive).classifier.engine
    measured = {
        str(record.args[0]): float(str(record.args[1]))
        for record in caplog.records
        if record.name == "inference.engines.choice" and isinstance(record.args, tuple)
    }
    assert {"openvino-fp32", "openvino-int8"} <= set(measured) <= {"openvino-fp32", "openvino-bf16", "openvino-int8"}
    assert engine == min(measured, key=lambda name: measured[name])


class Clock:
    """Time for the measurement of one worker: the nth network of three looks the fastest."""

    def __init__(self, fastest: int) -> None:
        self._laps = iter(0.001 if network == fastest else 0.5 for network in range(3) for _ in range(3))
        self._now, self._begins = 0.0, True

    def __call__(self) -> float:
        self._now += 0.0 if self._begins else next(self._laps)
        self._begins = not self._begins
        return self._now


@pytest.mark.parametrize("fastest", [0, 1])
def test_a_second_worker_to_which_another_network_looks_faster_answers_bit_by_bit_as_the_first(
    archive: Path, photos: list[bytes], monkeypatch: pytest.MonkeyPatch, fastest: int
) -> None:
    """One worker had chosen fp32 and the other bf16: of 60 photos sent twice, 24 probabilities differed."""
    workers = []
    for network in (fastest, 1 - fastest):
        monkeypatch.setattr("inference.engines.choice.time.perf_counter", Clock(network))
        workers.append(loaded(archive))
        monkeypatch.undo()
    assert len({worker.classifier.engine for worker in workers}) == 1
    for photo in photos[:4]:
        assert probabilities(workers[0], photo) == probabilities(workers[1], photo)
    [record] = archive.with_name("balls-engine").iterdir()
    recorded = json.loads(record.read_text())
    assert recorded["engine"] == workers[0].classifier.engine
    assert recorded["engine"] == min(recorded["measured_ms"], key=recorded["measured_ms"].get)
    assert recorded["archive_sha256"] == workers[0].classifier.sha256


def test_another_archive_and_another_machine_make_a_choice_of_their_own(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(archive)
    loaded(change(archive, temperature=2.0))
    loaded(archive)
    folder = archive.with_name("balls-engine")
    assert len(list(folder.iterdir())) == 2
    monkeypatch.setattr("inference.classifier.hardware", lambda _: {"processor": "another one"})
    loaded(archive)
    assert len(list(folder.iterdir())) == 3


def test_a_worker_that_alone_cannot_load_the_chosen_engine_does_not_serve(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inference.archive.errors import ModelRefused

    monkeypatch.setattr("inference.engines.agreed.WAIT_S", 0.1)
    first = loaded(archive, engine="openvino", precision="fp32")

    class OutOfMemory:
        def get_property(self, *_: str) -> object:
            raise RuntimeError("out of memory")

    monkeypatch.setattr("openvino.Core", OutOfMemory)
    with pytest.raises(ModelRefused, match=r"other workers use: openvino-fp32: .*out of memory"):
        loaded(archive, engine="openvino", precision="fp32")
    del first
    assert loaded(archive, engine="openvino", precision="fp32").classifier.engine == "torch-fp32", "nobody serves now"


def test_if_nothing_can_be_recorded_every_worker_takes_the_first_network_and_the_log_says_why(
    archive: Path, caplog: pytest.LogCaptureFixture
) -> None:
    archive.with_name("balls-engine").write_text("no folder")
    assert {loaded(archive).classifier.engine for _ in range(2)} == {"openvino-fp32"}
    assert "no engine is measured, because the choice would not reach the other workers" in caplog.text


@pytest.mark.parametrize(
    "engines",
    [
        None,
        {},
        "openvino",
        [None],
        [{}],
        [{"engine": "tensorrt", "precisions": ["fp32"], "files": {"a": "b"}}],
        [{"engine": "openvino", "precisions": [], "files": {"a": "b"}}],
        [{"engine": "openvino", "precisions": ["fp16"], "files": {"a": "b"}}],
        [{"engine": "openvino", "precisions": [["fp32"]], "files": {"a": "b"}}],
        [{"engine": "openvino", "precisions": ["fp32"], "files": {}}],
        [{"engine": "openvino", "precisions": ["fp32"], "files": {"../a": "b"}}],
    ],
)
def test_a_list_of_engines_that_makes_no_sense_is_refused_at_load(archive: Path, engines: object) -> None:
    from inference.archive.errors import ModelRefused
    from inference.archive.model_file import read_model_file

    with pytest.raises(ModelRefused, match=r"model\.json"):
        read_model_file(change(archive, engines=engines))


def turned_arrays(pixels: Pixels) -> dict[str, Pixels]:
    """The same numbers, lying in memory in other orders."""
    planes = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    wide = np.zeros((*pixels.shape[:2], pixels.shape[2] + 5, 3), np.uint8)
    wide[:, :, 5:] = pixels
    return {
        "planes": planes.transpose(0, 2, 3, 1),
        "columns first": np.ascontiguousarray(pixels.swapaxes(1, 2)).swapaxes(1, 2),
        "part of a wider one": wide[:, :, 5:],
        "backwards": np.ascontiguousarray(pixels[::-1, :, ::-1])[::-1, :, ::-1],
        "Fortran": np.asfortranarray(pixels),
    }


@pytest.mark.parametrize("engine", ["torch", "openvino", "aotinductor"])
def test_how_the_pixels_lie_in_memory_does_not_change_a_prediction(
    engine: str, photos: list[bytes], request: pytest.FixtureRequest
) -> None:
    """Compiled code ignores strides: it once gave planes other classes, without an error."""
    folder = request.getfixturevalue("for_aotinductor" if engine == "aotinductor" else "for_openvino")
    classifier = loaded(folder, engine=engine, precision="fp32").classifier
    assert classifier.engine == f"{engine}-fp32"
    pixels = np.stack([classifier.read(photo) for photo in photos[:3]])
    expected = classifier.classify(pixels)
    for name, turned in turned_arrays(pixels).items():
        assert np.array_equal(turned, pixels)
        assert not turned.flags.c_contiguous, name
        np.testing.assert_allclose(classifier.classify(turned), expected, atol=1e-6, err_msg=name)


# In a process of its own, as a worker is: compiled code that crashes while it loads would end all of pytest.
WORKER = """
import os, sys, tempfile
from tests.model_server.handlers import loaded
from pathlib import Path
kept = loaded(Path(sys.argv[1]), engine="aotinductor", precision="fp32")
left = Path(tempfile.gettempdir()).glob("aotinductor-of-*")
print(kept.classifier.engine, os.environ["TMPDIR"], *left, sep="\\n", flush=True)
os._exit(9)
"""


def test_what_a_killed_worker_had_unpacked_goes_when_the_next_one_starts(for_aotinductor: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)}
    folders = []
    for _ in range(2):
        command = [sys.executable, "-c", WORKER, str(for_aotinductor)]
        killed = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
        assert killed.returncode == 9
        engine, tmpdir, own = killed.stdout.splitlines()  # one folder is there, that of this worker
        assert (engine, tmpdir) == ("aotinductor-fp32", str(tmp_path))
        assert list(Path(own).rglob("*.so")), "a killed worker leaves it behind"
        folders.append(own)
    assert folders[0] != folders[1]
    assert not Path(folders[0]).exists()
