"""What a machine does to a stack: another program takes its port, its clock jumps, and another stack runs beside it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import chaos
from benchmarks.trials.batches import BEGUN, IMAGES, RETURNS_WITHIN_S, Trial, look_for_overdue
from podium.local import emulator
from podium.project import HOME, LocalStack, local_stack

Facts = dict[str, Any]
SOURCE = Path(__file__).with_name("wall_clock.c")
LIBRARY, SHIFT = HOME / "wall_clock.so", HOME / "wall_clock_shift"
JUMPS_S = (3600, -3600)  # from one batch to the next it is two hours back
SKEWS_MIN = (-60, -20, -14, 14, 20, 60)


def stolen_ports(seed: int) -> Facts:
    """Another program takes the embedded AWS' port, then the model server's, while the stack is down: what the console says."""
    _ = seed
    chaos.podium("up")
    local = _local()
    facts: Facts = {}
    for name, port in (("the embedded AWS'", local.emulator_port), ("the model server's", local.inference_port)):
        chaos.podium("down")
        with socket.create_server(("127.0.0.1", port)):
            up = chaos.podium("up", expect=(0, 1))
            facts[f"{name} port taken: `up`"] = {"exit code": up.returncode, "says": _said(up)}
            if up.returncode:
                status = chaos.podium("status", expect=(0, 1))
                drop = chaos.podium("drop", str(Path(__file__)), "--batch", "stolen", expect=(0, 1))
                facts[f"{name} port taken: `status`"] = {"exit code": status.returncode, "says": _said(status)}
                facts[f"{name} port taken: `drop`"] = {"exit code": drop.returncode, "says": _said(drop)}
        facts[f"{name} port free again: `up`"] = chaos.podium("up").returncode
    return facts


def two_homes(seed: int) -> Facts:
    """Two stacks at once: a batch of one name, with half as many images in the second home, goes through each."""
    local = _local()
    beside = HOME.with_name(f"{HOME.name}-beside")
    (beside / "models").mkdir(parents=True, exist_ok=True)
    if local.archive:
        shutil.copy2(local.archive, beside / "models" / local.archive.name)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PODIUM_")}
    there = environment | {"PODIUM_HOME": str(beside)}
    subprocess.run([chaos.PODIUM, "up"], env=there, check=True, capture_output=True)
    batch = [sys.executable, "-m", "benchmarks.trials", "one-batch", "--seed", str(seed), "--images"]
    both = [
        subprocess.Popen([*batch, str(images)], env=env, stdout=subprocess.PIPE)
        for images, env in ((IMAGES, dict(os.environ)), (IMAGES // 2, there))
    ]
    found = [json.loads(run.communicate()[0]) for run in both]
    subprocess.run([chaos.PODIUM, "down", "--delete-data"], env=there, check=True, capture_output=True)
    alive = chaos.podium("status", "--json", expect=(0, 1)).returncode
    return {"here": found[0], "in the other home": found[1], "`status` here after the other's `down`": alive}


def wrong_clocks(seed: int) -> Facts:
    """The console's clock is wrong by minutes: what S3 and the console say."""
    folder = chaos.draw_images(4, 1, seed)[0]
    chaos.podium("up")
    facts: Facts = {}
    for minutes in SKEWS_MIN:
        environment = {**os.environ, **_moved_clock(60 * minutes)}
        done = subprocess.run(
            [chaos.PODIUM, "drop", str(folder), "--batch", f"{folder.name}{minutes}"],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        facts[f"{minutes:+d} min"] = {"exit code": done.returncode, "says": _said(done)}
    return facts


def clock_jumps(seed: int) -> Facts:
    """The clock of the embedded AWS and its functions jumps an hour ahead in mid-batch, and two hours back in the next batch."""
    if "SHIFT_FILE" not in os.environ:  # this program's own clock must jump, too: its requests are signed
        again = [sys.executable, "-m", "benchmarks.trials", "clock-jumps", "--seed", str(seed)]
        os.execve(sys.executable, again, {**os.environ, **_moved_clock(0)})  # noqa: S606
    emulator.stop()  # the one that `up` starts has the same clock, and so have its functions
    facts: Facts = {}
    try:
        for number, offset in enumerate(JUMPS_S):
            trial = Trial(seed + number)
            trial.drop().wait()
            trial.until_rows(BEGUN)
            rows = trial.rows()
            _moved_clock(offset)
            chaos.say(f"the clock is moved by {offset} s")
            complete = trial.wait(RETURNS_WITHIN_S)
            missing = trial.without_a_row()
            looks = look_for_overdue(trial, missing)
            facts[f"clock moved by {offset:+d} s"] = {
                "rows at the jump": rows, "complete": complete, "without a row": missing, "hourly looks": looks, **trial.audit(),
            }  # fmt: skip
    finally:
        for name in _moved_clock(0):
            del os.environ[name]
        emulator.stop()
        chaos.podium("up")
    return facts


def _moved_clock(seconds: int) -> dict[str, str]:
    """The variables of a program whose wall clock is wrong by so many seconds, now and whenever this is called again."""
    if not LIBRARY.exists():
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", LIBRARY, SOURCE, "-ldl"], check=True)
    SHIFT.write_text(str(seconds))
    return {"LD_PRELOAD": str(LIBRARY), "SHIFT_FILE": str(SHIFT)}


def _local() -> LocalStack:
    local = local_stack()
    if local is None:
        raise RuntimeError("there is no stack")
    return local


def _said(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [
        line for line in done.stderr.splitlines() if line.startswith("podium:") or "raceback" in line or "taken" in line
    ]
