"""Batches whose drop, embedded AWS or whole stack ends in the middle; each is audited as `benchmarks.chaos` does."""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any

from benchmarks import chaos
from benchmarks.trials.memory import Peaks
from pipeline.contracts import INCOMING_PREFIX
from podium.batches.drop import latest_uploads
from podium.batches.results import rows_of_batch
from podium.connection import Connection
from podium.errors import EXIT_UNFINISHED
from podium.local import emulator

Facts = dict[str, Any]
IMAGES = 400
RETURNS_WITHIN_S = 480.0  # what a killed function had comes back after the visibility time-out, 362 s
BEGUN = 60  # images of a batch that are done when the fault strikes
OVERDUE_MINUTES = 1  # here; the template has 30


class Trial:
    """One batch of drawn photos, its connection and the queue of its announcement."""

    def __init__(self, seed: int, images: int = IMAGES) -> None:
        self.folder = chaos.draw_images(images, 1, seed)[0]
        self.batch = self.folder.name
        chaos.podium("up")
        self.connection = Connection(None)
        self.events_url = chaos.listen(self.connection)
        self.began = time.monotonic()

    def drop(self) -> subprocess.Popen[bytes]:
        """`podium drop` of the batch, on its way."""
        return subprocess.Popen(
            [chaos.PODIUM, "drop", str(self.folder), "--batch", self.batch],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def rows(self) -> int:
        """How many images have a row."""
        return sum(1 for _ in rows_of_batch(self.connection, self.batch))

    def until_rows(self, count: int) -> None:
        """Wait for so many rows."""
        while self.rows() < count:
            time.sleep(0.3)

    def wait(self, seconds: float) -> bool:
        """Watch the batch; whether it is complete and has its summary within the time."""
        deadline = time.monotonic() + seconds
        done = chaos.podium("watch", self.batch, "--timeout", f"{seconds:.0f}", expect=(0, EXIT_UNFINISHED))
        while done.returncode == 0 and time.monotonic() < deadline:
            if chaos.summary_of(self.connection, self.batch):
                return True
            time.sleep(1)
        return False

    def until_the_queue_is_empty(self) -> None:
        """Wait until no message waits or is with a function, for as long as a killed function's come back."""
        deadline = time.monotonic() + RETURNS_WITHIN_S
        while time.monotonic() < deadline and any(self.connection.message_counts(self.connection.facts.queue_url)):
            time.sleep(2)

    def without_a_row(self) -> int:
        """How many uploads have no row of their own version."""
        uploads = latest_uploads(self.connection, self.batch)
        versions = {row.image: row.version_id for row in rows_of_batch(self.connection, self.batch)}
        return sum(versions.get(image) != upload.version_id for image, upload in uploads.items())

    def audit(self) -> Facts:
        """The audit of `benchmarks.chaos`, and how long it all took."""
        found = chaos.audit(self.connection, [self.batch], self.events_url)
        return {**found, "seconds": round(time.monotonic() - self.began)}


def one_batch(seed: int, images: int = IMAGES) -> Facts:
    """A batch that nothing disturbs."""
    trial = Trial(seed, images)
    trial.drop().wait()
    return {"complete": trial.wait(RETURNS_WITHIN_S), **trial.audit()}


def drop_killed(seed: int) -> Facts:
    """Kill `podium drop` in mid-upload, at three moments, and repeat it each time as its user would; the last one ends."""
    trial = Trial(seed)
    uploaded: list[int] = []
    for share in (0.1, 0.4, 0.8):
        drop = trial.drop()
        before = time.monotonic()
        while drop.poll() is None and _versions(trial) < sum(uploaded) + share * IMAGES:
            time.sleep(0.05)
        chaos.say(f"drop killed after {time.monotonic() - before:.1f} s")
        drop.kill()
        drop.wait()
        time.sleep(1)
        uploaded.append(_versions(trial) - sum(uploaded))
    parts = len(trial.connection.s3.list_objects_v2(
        Bucket=trial.connection.facts.results_bucket, Prefix=f"batches/{trial.batch}/"
    ).get("Contents", []))  # fmt: skip
    left = chaos.podium("drop", str(trial.folder), "--batch", trial.batch)
    complete = trial.wait(RETURNS_WITHIN_S)
    facts = {"uploaded before each kill": uploaded, "manifest parts after the kills": parts, "complete": complete}
    return {**facts, "last drop's exit code": left.returncode, **trial.audit()}


def down_in_mid_batch(seed: int) -> Facts:
    """`podium down` while a batch is being classified, then `podium up`."""
    trial = Trial(seed)
    trial.drop().wait()
    trial.until_rows(BEGUN)
    rows, began = trial.rows(), time.monotonic()
    chaos.podium("down")
    down_s = time.monotonic() - began
    chaos.podium("up")
    after = trial.rows()
    complete = trial.wait(RETURNS_WITHIN_S)
    facts = {"rows at `down`": rows, "rows after `up`": after, "`down` took, s": round(down_s, 1), "complete": complete}
    return {**facts, **trial.audit()}


def emulator_killed(seed: int) -> Facts:
    """Kill the embedded AWS (SIGKILL) in mid-batch, after a drop that had ended; `podium up`, then the hourly look if it is needed."""
    trial = Trial(seed)
    trial.drop().wait()
    trial.until_rows(BEGUN)
    rows = trial.rows()
    written = max(path.stat().st_mtime for path in emulator.STATE.glob("*.json"))
    killed = chaos.kill(emulator.FRONT)
    age_s = time.time() - written
    time.sleep(3)
    orphans = len(chaos.processes("ministack-lambda-"))
    up = chaos.podium("up")
    after, lost = trial.rows(), trial.without_a_row()
    trial.until_the_queue_is_empty()
    missing = trial.without_a_row()
    looks = look_for_overdue(trial, missing)
    facts = {
        "killed": killed, "the last saved state's age, s": round(age_s), "rows at the kill": rows, "rows after `up`": after,
        "uploads without a row after `up`": lost, "functions that outlived it 3 s": orphans, "`up` says": up.stderr.splitlines()[:3],
        "uploads without a row when the queue was empty": missing, "hourly looks": looks,
    }  # fmt: skip
    return {**facts, **trial.audit()}


def emulator_killed_while_dropping(seed: int) -> Facts:
    """Kill the embedded AWS while `podium drop` uploads; `podium up`, and the drop is repeated as its user would."""
    trial = Trial(seed)
    drop = trial.drop()
    while _versions(trial) < IMAGES // 3:
        time.sleep(0.05)
    chaos.kill(emulator.FRONT)
    code = drop.wait()
    chaos.podium("up")
    chaos.podium("drop", str(trial.folder), "--batch", trial.batch)
    trial.until_the_queue_is_empty()
    missing = trial.without_a_row()
    looks = look_for_overdue(trial, missing)
    return {
        "the drop's exit code": code,
        "complete": trial.wait(RETURNS_WITHIN_S),
        "hourly looks": looks,
        **trial.audit(),
    }


def many_images(seed: int, images: int = 5000) -> Facts:
    """One batch of thousands: images a second, and the most memory that each part held."""
    trial = Trial(seed, images)
    with Peaks() as peaks:
        began = time.monotonic()
        chaos.podium("drop", str(trial.folder), "--batch", trial.batch)
        dropped_s = time.monotonic() - began
        complete = trial.wait(1500)
        classified_s = time.monotonic() - began
        shown = chaos.podium("results", trial.batch, "--json")
    facts = {
        "complete": complete, "uploads a second": round(images / dropped_s, 1),
        "images a second from drop to summary": round(images / classified_s, 1),
        "rows that `results` prints": len(json.loads(shown.stdout)), "most memory, MB": peaks.most_mb(),
    }  # fmt: skip
    return {**facts, **trial.audit()}


def look_for_overdue(trial: Trial, missing: int) -> list[Facts]:
    """What the hourly function says and brings back, with a shorter wait: the template's is half an hour."""
    functions, name = trial.connection.lambda_client, f"{trial.connection.stack}-reconcile"
    settings = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    hurried = {**settings, "OVERDUE_AFTER_MINUTES": str(OVERDUE_MINUTES)}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": hurried})
    looks: list[Facts] = []
    while missing and len(looks) < 2:
        time.sleep(60 * OVERDUE_MINUTES)
        response = json.loads(functions.invoke(FunctionName=name, Payload=b"{}")["Payload"].read())
        trial.wait(90)
        left = trial.without_a_row()
        looks.append({**response, "without a row before": missing, "after": left})
        missing = left
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": settings})
    return looks


def _versions(trial: Trial) -> int:
    """How many object versions the batch has."""
    pages = trial.connection.s3.get_paginator("list_object_versions").paginate(
        Bucket=trial.connection.facts.input_bucket, Prefix=f"{INCOMING_PREFIX}{trial.batch}/"
    )
    return sum(len(page.get("Versions", [])) for page in pages)
