"""Why a worker died, read from TorchServe's logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.torchserve.deaths import death_reason, set_aside, tail

TRACEBACK = """\
2026-11-21T06:44:20,634 [INFO ] W-9000-balls_1.0-stdout MODEL_LOG - Torch worker started.
2026-11-21T06:44:22,100 [INFO ] W-9000-balls_1.0-stdout MODEL_LOG - Backend worker process died.
2026-11-21T06:44:22,100 [INFO ] W-9000-balls_1.0-stdout MODEL_LOG - Traceback (most recent call last):
2026-11-21T06:44:22,100 [INFO ] W-9000-balls_1.0-stdout MODEL_LOG -   File "handler.py", line 1, in <module>
2026-11-21T06:44:22,101 [INFO ] W-9000-balls_1.0-stdout MODEL_LOG -     raise ModelRefused("...")
2026-11-21T06:44:22,101 [INFO ] W-9000-balls_1.0-stdout MODEL_LOG - {exception}
"""


@pytest.mark.parametrize(
    ("exception", "reason"),
    [
        (
            "inference.archive.model_file.ModelRefused: The archive holds no model.json.",
            "The archive holds no model.json.",
        ),
        ("ModuleNotFoundError: No module named 'timm'", "ModuleNotFoundError: No module named 'timm'"),
        ("MemoryError", "MemoryError"),
    ],
)
def test_a_worker_that_died_has_its_exception_for_a_reason(tmp_path: Path, exception: str, reason: str) -> None:
    (tmp_path / "model_log.log").write_text(TRACEBACK.format(exception=exception))
    assert death_reason(tmp_path, "balls", "balls.mar") == reason


def test_an_archive_that_torchserve_did_not_take_is_the_reason(tmp_path: Path) -> None:
    (tmp_path / "ts_log.log").write_text(
        "2026-11-21T07:04:08,372 [WARN ] main org.pytorch.serve.ModelServer - Failed to load model: balls.mar\n"
        "org.pytorch.serve.archive.model.InvalidModelException: Failed to parse signature.json.\n"
    )
    reason = death_reason(tmp_path, "balls", "balls.mar")
    assert reason is not None
    assert reason.startswith("TorchServe says: Failed to load model: balls.mar")
    assert reason.endswith("Failed to parse signature.json.")


def test_a_worker_that_lives_has_no_reason_to_have_died(tmp_path: Path) -> None:
    assert death_reason(tmp_path, "balls", "balls.mar") is None
    (tmp_path / "model_log.log").write_text(TRACEBACK.splitlines()[0])
    assert death_reason(tmp_path, "balls", "balls.mar") is None


@pytest.mark.parametrize("lines", [3, 4, 5])
def test_a_traceback_that_is_still_being_written_is_no_reason_yet(tmp_path: Path, lines: int) -> None:
    (tmp_path / "model_log.log").write_text("\n".join(died_of("W-9000", "MemoryError")[:lines]))
    assert death_reason(tmp_path, "balls", "balls.mar") is None


def test_an_exception_with_a_cause_is_the_reason_and_not_its_cause(tmp_path: Path) -> None:
    prefix = TRACEBACK.partition("MODEL_LOG - ")[0] + "MODEL_LOG - "
    chained = ("", "The above exception was the direct cause of the following exception:", "")
    last = (
        "Traceback (most recent call last):",
        "  raise ...",
        "inference.archive.model_file.ModelRefused: No weights.",
    )
    log = TRACEBACK.format(exception="KeyError: 'weights'") + "\n".join(prefix + line for line in (*chained, *last))
    (tmp_path / "model_log.log").write_text(log)
    assert death_reason(tmp_path, "balls", "balls.mar") == "No weights."


def died_of(worker: str, exception: str) -> list[str]:
    return TRACEBACK.format(exception=exception).replace("W-9000", worker).splitlines()


def test_two_workers_that_die_at_the_same_time_mix_their_lines_and_the_last_traceback_is_the_reason(
    tmp_path: Path,
) -> None:
    one, other = died_of("W-9000", "MemoryError"), died_of("W-9001", "ModelRefused: No weights.")
    mixed = [*one[:3], *other[:3], one[3], *other[3:], *one[4:]]
    (tmp_path / "model_log.log").write_text("\n".join(mixed))
    assert death_reason(tmp_path, "balls", "balls.mar") == "No weights."


@pytest.mark.parametrize(("first", "last"), [("W-9000", "W-9001"), ("W-9001", "W-9000")])
def test_the_reason_is_the_last_death_and_not_that_of_a_worker_that_died_before(
    tmp_path: Path, first: str, last: str
) -> None:
    started = died_of(last, "")[:1]  # both started before the first death
    log = [*started, *died_of(first, "MemoryError"), *died_of(last, "ModelRefused: No weights.")[1:]]
    (tmp_path / "model_log.log").write_text("\n".join(log))
    assert death_reason(tmp_path, "balls", "balls.mar") == "No weights."
    (tmp_path / "model_log.log").write_text("\n".join([*log, *died_of(first, "KeyError: 'classes'")]))
    assert death_reason(tmp_path, "balls", "balls.mar") == "KeyError: 'classes'"


def test_a_traceback_that_a_living_worker_logs_is_no_death(tmp_path: Path) -> None:
    logged = TRACEBACK.format(exception="RuntimeError: bf16 is not there").splitlines()
    (tmp_path / "model_log.log").write_text("\n".join(line for line in logged if "died" not in line))
    assert death_reason(tmp_path, "balls", "balls.mar") is None


def test_a_worker_that_cannot_even_start_says_so_on_stderr(tmp_path: Path) -> None:
    lines = ("Traceback (most recent call last):", '  File "x.py", line 1', "ImportError: No module named 'ts'")
    (tmp_path / "model_log.log").write_text(
        "\n".join(f"2026-11-21T06:44:22,100 [INFO ] W-9000-balls_1.0-stderr MODEL_LOG - {line}" for line in lines)
    )
    assert death_reason(tmp_path, "balls", "balls.mar") == "ImportError: No module named 'ts'"


@pytest.mark.parametrize("other", ["cats", "footballs", "balls_2"])
def test_the_death_of_another_models_worker_or_archive_is_not_this_models(tmp_path: Path, other: str) -> None:
    log = TRACEBACK.format(exception="MemoryError").replace("-balls_", f"-{other}_")
    (tmp_path / "model_log.log").write_text(log)
    refused = f"2026-11-21T07:04:08,372 [WARN ] main org.pytorch.serve.ModelServer - Failed to load model: {other}.mar"
    (tmp_path / "ts_log.log").write_text(f"{refused}\nInvalidModelException\n")
    assert death_reason(tmp_path, "balls", "balls.mar") is None
    assert death_reason(tmp_path, other, f"{other}.mar") == "MemoryError"
    (tmp_path / "model_log.log").unlink()
    assert str(death_reason(tmp_path, other, f"{other}.mar")).endswith("InvalidModelException")


def test_the_deaths_of_an_earlier_torchserve_are_kept_but_are_not_this_ones(tmp_path: Path) -> None:
    (tmp_path / "model_log.log").write_text(TRACEBACK.format(exception="MemoryError"))
    set_aside(tmp_path)
    assert death_reason(tmp_path, "balls", "balls.mar") is None
    assert tail(tmp_path / "model_log.log.before").endswith("MemoryError")
