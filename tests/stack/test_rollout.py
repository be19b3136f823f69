"""A new model beside the old one, on the embedded AWS: a good candidate takes over, a bad one is rolled back by its alarm.

The embedded AWS takes no metrics out of logs, as CloudWatch does. Here the test carries those that the functions wrote to
PutMetricData; from there on the alarm, its topic and the function go their own way.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.classify.trials import READ_EVERY_S
from podium.local import model_server
from tests.stack.aws import Root
from tests.stack.conftest import PATIENCE_S, Console, until

pytestmark = [pytest.mark.torch, pytest.mark.stack]

Json = Any
KNOWN_AFTER_S = READ_EVERY_S + 1  # by every process of the function


@pytest.fixture(scope="module")
def good(stack: Console) -> Path:
    """The demo's model, as another version."""
    return packaged(stack, stack.home / "demo" / "run", "2.0")


@pytest.fixture(scope="module")
def bad(stack: Console) -> Path:
    """The demo's model, which has its classes mixed up; whole in every other way."""
    run = stack.home / "mixed-up"
    shutil.copytree(stack.home / "demo" / "run", run)
    facts = json.loads((run / "model.json").read_text())
    facts["classes"] = facts["classes"][1:] + facts["classes"][:1]
    (run / "model.json").write_text(json.dumps(facts))
    return packaged(stack, run, "3.0")


def packaged(stack: Console, run: Path, version: str) -> Path:
    folder = stack.home / "rollout" / version
    stack.podium("package", str(run), "--name", "balls", "--version", version, "--out", str(folder))
    return folder / "balls.mar"


@pytest.fixture(scope="module")
def without_server(stack: Console, tmp_path_factory: pytest.TempPathFactory, photos: list[Path]) -> Iterator[Console]:
    """The model inside the function, with some results."""
    console = Console(tmp_path_factory.mktemp("rollout") / "home")
    try:
        console.podium("up", "--no-server", "--archive", str(stack.home / "models" / "balls.mar"))
        drop(console, photos, "before")
        yield console
    finally:
        console.run("down", "--delete-data")


def drop(console: Console, photos: list[Path], batch: str) -> Counter[str]:
    """Which model answered how many images of a batch of all photos."""
    folder = console.home / "batches" / batch
    folder.mkdir(parents=True)
    for photo in photos:
        shutil.copy(photo, folder / f"{photo.parent.name}-{photo.name}")
    console.podium("drop", str(folder), "--batch", batch, "--wait", "--timeout", PATIENCE_S)
    rows = console.results(batch)
    assert len(rows) == len({row["image"] for row in rows}) == len(photos)
    return Counter(row["model"] for row in rows)


def status(console: Console) -> Json:
    return console.json("rollout", "status")


def root_of(console: Console) -> Root:
    return Root(console.json("status"), json.loads((console.home / "local.json").read_text())["secret"])


def carry_metric(console: Console, root: Root, metric: str, since: datetime) -> None:
    """What CloudWatch does by itself: a metric of the functions' log arrives, as they wrote it."""

    def written() -> list[Json]:
        lines = re.findall(r"\{\"_aws\".*\}", (console.home / "logs" / "emulator.log").read_text(errors="replace"))
        documents = [json.loads(line) for line in lines]
        after_ms = since.timestamp() * 1000
        return [it for it in documents if it["_aws"]["Timestamp"] > after_ms and max(it.get(metric, [0])) > 0]

    document = until(f"a function wrote {metric}", written)[-1]
    [directive] = document["_aws"]["CloudWatchMetrics"]
    dimensions = [{"Name": name, "Value": document[name]} for name in directive["Dimensions"][0]]
    datum = {"MetricName": metric, "Dimensions": dimensions, "Value": max(document[metric])}
    root.cloudwatch.put_metric_data(Namespace=directive["Namespace"], MetricData=[datum])


def test_a_good_candidate_is_compared_takes_a_share_then_all_and_a_deployment_makes_it_permanent(
    without_server: Console, photos: list[Path], good: Path
) -> None:
    console = without_server
    begun = console.json(
        "rollout", "start", "balls@2.0", "--archive", str(good), "--share", "100", "--min-compared", "10"
    )  # fmt: skip
    assert (begun["stage"], begun["configured"]) == ("shadow", "balls@1.0")
    until("the images are compared", lambda: status(console)["compared"] >= 10)
    assert status(console)["same_top1"] == status(console)["compared"]

    console.podium("rollout", "promote", "--to", "50")
    refused = console.run("rollout", "promote")
    assert "0 images were compared in this stage, and 10 are to be" in refused.stderr
    time.sleep(KNOWN_AFTER_S)
    shared = drop(console, photos, "shared")
    assert set(shared) == {"balls@1.0", "balls@2.0"}
    assert len(photos) / 4 < shared["balls@2.0"] < 3 * len(photos) / 4
    summary = until("the batch is announced", lambda: summary_of(console, "shared"))
    assert summary["models"] == dict(shared)
    assert summary["total"] == len(photos)

    console.podium("rollout", "promote")
    console.podium("deploy", "--archive", str(good))
    assert drop(console, photos, "after") == {"balls@2.0": len(photos)}
    assert "has ended: balls@2.0 is the stack's model" in console.run("rollout", "promote").stderr
    assert status(console)["stage"] == "promoted"


def test_a_bad_candidate_is_rolled_back_by_its_alarm_and_no_result_is_its(
    without_server: Console, photos: list[Path], bad: Path
) -> None:
    console, root, since = without_server, root_of(without_server), datetime.now(UTC)
    console.run("rollout", "start", "balls@3.0", "--archive", str(bad), "--share", "100")
    carry_metric(console, root, "RolloutDisagreementHigh", since)
    ended = until("it is rolled back", lambda: now if (now := status(console))["stage"] == "rolled_back" else None)
    assert "RolloutDisagreementAlarm" in ended["ended_by"]
    assert "disagrees with the current model" in ended["reason"]
    assert ended["disagreements"]
    first = ended["disagreements"][0]
    assert first["current"]["predictions"][0]["label"] != first["candidate"]["predictions"][0]["label"]
    assert drop(console, photos, "after-the-bad-one") == {"balls@2.0": len(photos)}
    assert "balls@3.0" not in {row["model"] for row in console.json("results")}
    shown = console.podium("rollout", "status")
    assert "rolled back by" in shown
    assert "they disagree on" in shown


def test_a_candidate_on_a_server_that_dies_costs_no_image_and_is_rolled_back(
    stack: Console, root: Root, photos: list[Path], good: Path
) -> None:
    since, ports = datetime.now(UTC), model_server.free_ports()
    server = model_server.start(home=stack.home / "candidate", archive=good, ports=ports)
    try:
        model_server.wait_ready(server, "balls", timeout_s=float(PATIENCE_S))
        stack.podium("rollout", "start", "balls@2.0", "--url", server.inference_url, "--share", "100")
        stack.podium("rollout", "promote", "--to", "100", "--untested")
        time.sleep(KNOWN_AFTER_S)
        assert drop(stack, photos, "by-the-candidate") == {"balls@2.0": len(photos)}
    finally:
        model_server.stop(stack.home / "candidate")
    assert drop(stack, photos, "without-it") == {"balls@1.0": len(photos)}
    assert root.messages(root.facts["dlq_url"]) == 0
    carry_metric(stack, root, "RolloutErrorsHigh", since)
    ended = until("it is rolled back", lambda: now if (now := status(stack))["stage"] == "rolled_back" else None)
    assert "RolloutErrorsAlarm" in ended["ended_by"]
    assert "did not answer" in ended["last_error"]


def summary_of(console: Console, batch: str) -> Json | None:
    root = root_of(console)
    try:
        answer = root.s3.get_object(Bucket=root.facts["results_bucket"], Key=f"batches/{batch}/summary.json")
    except root.s3.exceptions.NoSuchKey:
        return None
    return json.loads(answer["Body"].read())
