"""One choice for all workers of a server: whoever comes first makes it, and nobody serves by another one."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from inference.engines.agreed import Agreement, CannotRecord, Choice, NotAgreed
from inference.engines.hardware import hardware
from inference.engines.seam import Machine

# In a process of its own: it begins to choose, says so, and is killed.
DIES_WHILE_IT_CHOOSES = """
import sys, time
from pathlib import Path
from inference.engines.agreed import Agreement

def choose():
    print("choosing", flush=True)
    time.sleep(600)

Agreement(Path(sys.argv[1])).reach(lambda choice: choice, choose, {})
"""
as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


class Worker:
    """A worker with an engine of its own taste; it can load all but `broken`."""

    def __init__(self, file: Path, taste: str, *, broken: str = "", fallback: str | None = None) -> None:
        self.file, self.taste, self.broken, self.fallback = file, taste, broken, fallback
        self.choices_made = 0
        self.agreement: Agreement | None = None

    def load(self, choice: Choice) -> list[str] | str:
        return f"{choice.engine} is broken" if choice.engine == self.broken else [choice.engine]

    def choose(self) -> tuple[list[str], Choice]:
        self.choices_made += 1
        return [self.taste], Choice(self.taste, self.fallback, {self.taste: 1.5, "another": 2.5})

    def start(self, wait_s: float = 0.2) -> str:
        self.agreement = Agreement(self.file)
        [engine], choice = self.agreement.reach(self.load, self.choose, {"model": "balls@1.0"}, wait_s)
        assert choice.engine == engine
        return engine

    def die(self) -> None:
        self.agreement = None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "engines" / "balls.json"


@pytest.mark.parametrize("first", ["fp32", "bf16"])
def test_all_workers_use_the_engine_that_the_first_of_them_chose_whichever_it_is(file: Path, first: str) -> None:
    workers = [Worker(file, first), Worker(file, "fp32"), Worker(file, "bf16")]
    assert [it.start() for it in workers] == [first] * 3
    assert [it.choices_made for it in workers] == [1, 0, 0]


def test_of_many_workers_that_start_at_once_one_chooses(file: Path) -> None:
    workers = [Worker(file, f"taste {n}") for n in range(12)]
    gate = threading.Barrier(12)

    def start(worker: Worker) -> str:
        gate.wait()
        return worker.start(wait_s=20)

    with ThreadPoolExecutor(12) as threads:
        assert len(set(threads.map(start, workers))) == 1
    assert sum(it.choices_made for it in workers) == 1


def test_the_record_names_the_engine_and_what_was_measured(file: Path) -> None:
    Worker(file, "bf16").start()
    assert json.loads(file.read_text()) == {
        "engine": "bf16", "fallback": None, "measured_ms": {"bf16": 1.5, "another": 2.5}, "model": "balls@1.0"
    }  # fmt: skip


def test_a_restart_keeps_the_choice(file: Path) -> None:
    for taste in ("fp32", "bf16", "int8"):
        worker = Worker(file, taste)
        assert worker.start() == "fp32"
        worker.die()


def test_who_is_killed_while_it_chooses_keeps_nobody_waiting(file: Path) -> None:
    line = [sys.executable, "-c", DIES_WHILE_IT_CHOOSES, str(file)]
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ) as it:
        assert it.stdout is not None
        assert it.stdout.readline() == b"choosing\n"
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(Worker(file, "bf16").start, 20)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
            it.send_signal(signal.SIGKILL)
            assert waiting.result(timeout=20) == "bf16"


def test_a_worker_that_cannot_load_the_engine_of_the_others_does_not_serve_by_another_one(file: Path) -> None:
    healthy, odd = Worker(file, "bf16"), Worker(file, "fp32", broken="bf16")
    healthy.start()
    with pytest.raises(NotAgreed, match="bf16 is broken"):
        odd.start()
    assert odd.choices_made == 0
    odd.broken = ""
    assert odd.start() == "bf16"


def test_if_nobody_serves_by_a_choice_that_cannot_be_loaded_another_one_is_made(file: Path) -> None:
    before = Worker(file, "bf16")
    before.start()
    before.die()
    assert Worker(file, "fp32", broken="bf16").start() == "fp32"
    assert json.loads(file.read_text())["engine"] == "fp32"


def test_several_workers_that_cannot_load_the_recorded_engine_agree_on_another_one(file: Path) -> None:
    before = Worker(file, "bf16")
    before.start()
    before.die()
    workers = [Worker(file, taste, broken="bf16") for taste in ("fp32", "int8", "torch", "fp32")]
    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(lambda it: it.start(wait_s=20), workers))) == 1
    assert sum(it.choices_made for it in workers) == 1


def test_a_fallback_holds_for_all_workers_and_is_tried_anew_when_none_serves_by_it(file: Path) -> None:
    first, second = Worker(file, "torch", fallback="openvino: out of memory"), Worker(file, "bf16")
    assert [first.start(), second.start()] == ["torch", "torch"]
    first.die()
    first.fallback = None
    first.taste = "bf16"
    assert first.start() == "torch", "the second still serves by it"
    first.die()
    second.die()
    assert first.start() == "bf16"
    second.start()
    second.die()
    assert second.choices_made == 0


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '{"engine": 1, "fallback": null}',
        '{"engine": "fp32"}',
        "\x00" * 500,
        "9" * 9999,
        "[" * 60000,
    ],
)
def test_a_damaged_record_is_none_and_a_choice_is_made(file: Path, content: str) -> None:
    file.parent.mkdir()
    file.write_text(content)
    assert Worker(file, "bf16").start() == "bf16"
    assert json.loads(file.read_text())["engine"] == "bf16"


def test_a_record_that_somebody_empties_while_others_serve_by_it_is_not_replaced_by_another_choice(file: Path) -> None:
    healthy = Worker(file, "bf16")
    healthy.start()
    file.write_text("")
    with pytest.raises(NotAgreed, match="holds no choice, and other workers serve by one"):
        Worker(file, "fp32").start()


@as_root
def test_a_folder_that_only_can_be_read_serves_by_its_record_and_takes_no_new_one(file: Path) -> None:
    Worker(file, "bf16").start()
    file.chmod(0o400)
    file.parent.chmod(0o500)
    try:
        assert Worker(file, "fp32").start() == "bf16"
        with pytest.raises(CannotRecord, match="cannot be written"):
            Worker(file.with_name("another.json"), "fp32").start()
    finally:
        file.parent.chmod(0o700)


@pytest.mark.parametrize("taken", ["the folder's name is a file's", "the record is a folder"])
def test_where_nothing_can_be_recorded_the_reason_is_told(tmp_path: Path, taken: str) -> None:
    file = tmp_path / "engines" / "balls.json"
    if taken == "the record is a folder":
        file.mkdir(parents=True)
    else:
        file.parent.touch()
    with pytest.raises(CannotRecord, match=r"balls\.json cannot be"):
        Worker(file, "fp32").start()


def test_two_models_and_two_servers_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """Each has a file of its own, though somebody holds another one's for good."""
    held = tmp_path / "cats.json"
    with held.open("w") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        assert Worker(tmp_path / "balls.json", "bf16").start() == "bf16"
        assert Worker(tmp_path / "elsewhere" / "cats.json", "fp32").start() == "fp32"


X86 = "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC 9R45\nflags\t\t: fpu avx512_bf16 avx2 {}\nMHz : {}\n\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd bf16 i8mm\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n\nHardware : x\n"


def test_the_hardware_is_the_processor_and_what_it_computes_with(tmp_path: Path) -> None:
    def on(text: str) -> dict[str, str]:
        (tmp_path / "cpuinfo").write_text(text)
        return hardware(Machine(), tmp_path / "cpuinfo")

    first = on(X86.format("", "2600") + X86.format("", "3100"))
    assert (first["processor"], first["instructions"]) == ("AuthenticAMD AMD EPYC 9R45", "avx2 avx512_bf16")
    assert first == on(X86.format("a_kernels_new_flag", "1200")), "neither the clock nor the kernel is hardware"
    assert first != on(X86.format("", "2600").replace("avx512_bf16", "")), "a hypervisor that hides bf16"
    assert (on(ARM)["processor"], on(ARM)["instructions"]) == ("0x41 0xd40", "asimd bf16 i8mm")
    assert hardware(Machine(), tmp_path / "missing")["machine"]
