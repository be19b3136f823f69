"""Past the queue, on the embedded AWS: children that are killed, and the answers that the queue's own way gives."""

from __future__ import annotations

import io
import json
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from tests.stack.aws import Root
from tests.stack.conftest import PODIUM, ROOT, Console

pytestmark = [pytest.mark.torch, pytest.mark.stack]

KILLS = 3
CLOSE = 0.05  # of a probability: the server may have chosen bf16 on this machine


def test_children_that_are_killed_lose_nothing_double_nothing_and_answer_as_the_queue_does(
    stack: Console, root: Root, facts: dict[str, str], tmp_path: Path
) -> None:
    archive = stack.home / "models" / "balls.mar"
    words = [
        "backfill", f"s3://{facts['input_bucket']}/incoming/demo/", "--bulk", "--rows", "--local", "2", "--job", "past",
        "--archive", str(archive), "--shard-images", "5", "--json",
    ]  # fmt: skip
    process = subprocess.Popen(
        [PODIUM, *words], env=stack.environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    killed: set[int] = set()
    kills = threading.Thread(target=kill_children, args=(process.pid, killed))
    kills.start()
    printed, notes = process.communicate(timeout=900)
    kills.join()
    assert killed
    assert process.returncode == 0, notes
    ended = json.loads(printed)
    queued = {row["image"]: row for row in stack.results("demo")}
    assert (ended["classified"], ended["failed"], ended["shards_left"]) == (len(queued), 0, 0)

    found = results(root, facts["results_bucket"], "bulk/past/results/")
    assert sorted(found) == sorted(queued)
    for image, [line] in found.items():
        assert (line["label"], line["model"], line["row"]) == (
            queued[image]["label"],
            queued[image]["model"],
            "already",
        )
        assert line["probability"] == pytest.approx(float(queued[image]["probability"]), abs=CLOSE)
    assert stack.results("demo") == list(queued.values()), "no row was written anew"

    again = stack.podium(*(word for word in words if word not in ("--archive", str(archive))))
    assert json.loads(again) == ended, "there is nothing left to do"


def kill_children(console: int, killed: set[int]) -> None:
    """Kill a child of the console now and then, as Spot does; which ones goes into `killed`."""
    while psutil.pid_exists(console) and len(killed) < KILLS:
        with suppress(psutil.NoSuchProcess):  # the console, or the child, has ended meanwhile
            for child in psutil.Process(console).children():
                if child.pid not in killed and "bulk" in child.cmdline():
                    threading.Event().wait(1.5)  # it has begun
                    child.kill()
                    killed.add(child.pid)
                    break
        threading.Event().wait(0.1)


def results(root: Root, bucket: str, prefix: str) -> dict[str, list[dict[str, object]]]:
    """What the Parquet files say, by image."""
    found: dict[str, list[dict[str, object]]] = {}
    for entry in root.s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]:
        body = root.s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
        for line in pq.read_table(io.BytesIO(body)).to_pylist():
            found.setdefault(f"s3://{line['bucket']}/{line['key']}", []).append(line)
    return found
