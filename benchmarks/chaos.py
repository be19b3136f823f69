"""Thousands of images go through the real stack on this machine while its parts are killed; the losses are counted.

    python -m benchmarks.chaos --images 2000 --batches 10 --seconds 300 --json docs/results/chaos.json

draw -> drop batch by batch, while faults strike (TorchServe killed, functions killed, the embedded AWS restarted)
     -> wait until every batch is complete -> count what is lost, doubled or dead

It runs in the home that PODIUM_HOME names and leaves everything there running; `podium demo` comes first, for a model.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from pipeline.results.reading import result_of
from podium.batches.drop import latest_uploads
from podium.batches.results import rows_of_batch
from podium.connection import Connection
from podium.errors import EXIT_UNFINISHED
from podium.local import emulator
from podium.project import HOME, local_stack
from training.demo import draw_unseen
from training.practice_set import CLASSES

PODIUM = Path(sys.executable).parent / "podium"
FOLDER = HOME / "chaos"
BAD_EVERY = 53  # one file of so many is no image, and must end rejected without harming its neighbours
RESTED_S = (3.0, 9.0)  # between two faults
DOWN_S = (2.0, 75.0)  # how long the model server stays down
MUST_BE_NONE = ("lost", "doubled rows", "rows whose JSON is another's", "dead letters", "messages left on the queue")
GIVE_UP_AFTER_S = 900.0  # after the last drop


@dataclass
class Chaos:
    """Faults at random times, and how often each struck."""

    draw: random.Random
    struck: Counter[str] = field(default_factory=Counter)
    over: threading.Event = field(default_factory=threading.Event)
    ended_well: bool = False  # a fault that could not be mended ends the thread

    def run(self) -> None:
        """Strike until it is over; each fault starts again what it stopped."""
        faults = [self.kill_server, self.kill_server, self.kill_functions, self.kill_functions, self.restart_emulator]
        while not self.over.wait(self.draw.uniform(*RESTED_S)):
            fault = self.draw.choice(faults)
            say(fault.__name__.replace("_", " "))
            fault()
        self.ended_well = True

    def kill_server(self) -> None:
        """Kill the model server, as if its machine died; while it is down, the functions may be killed, too."""
        self.struck["model server killed"] += kill("torchserve") > 0
        self.over.wait(self.draw.uniform(*DOWN_S))
        if self.draw.random() < 0.5:
            self.kill_functions()
        podium("up")

    def kill_functions(self) -> None:
        """Kill every function's process, whatever it is doing."""
        self.struck["function processes killed"] += kill("ministack-lambda-")

    def restart_emulator(self) -> None:
        """Stop and start the embedded AWS: it writes its state, and its functions are terminated."""
        emulator.stop()
        self.struck["embedded AWS restarted"] += 1
        podium("up")


def say(what: str) -> None:
    """Print a line on stderr, with the time."""
    print(time.strftime("%H:%M:%S"), what, file=sys.stderr, flush=True)  # noqa: T201


def podium(*arguments: str, expect: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
    """The console, as a person types it."""
    done = subprocess.run([PODIUM, *arguments], capture_output=True, text=True, check=False)
    if done.returncode not in expect:
        raise RuntimeError(f"podium {' '.join(arguments)}: {done.returncode}\n{done.stderr}")
    return done


def processes(part: str) -> list[psutil.Process]:
    """Every process of this home whose command line has `part` in it, in lower case."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        command = " ".join(process.info["cmdline"] or ())
        ours = str(HOME) in command or str(HOME) in str((process.info["environ"] or {}).get("TMPDIR"))
        if ours and part in command.lower():
            found.append(process)
    return found


def kill(part: str) -> int:
    """SIGKILL for every process of this home whose command line has `part` in it; how many there were."""
    count = 0
    for process in processes(part):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
            count += 1
    return count


def draw_images(count: int, batches: int, seed: int) -> list[Path]:
    """A folder of files for each batch: drawn balls that the model never saw, and one bad file in BAD_EVERY."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    pictures = draw_unseen(FOLDER, images_per_class=-(-count // len(CLASSES)))[:count]
    folders = [FOLDER / f"chaos-{seed}-{n}" for n in range(batches)]
    for folder in folders:
        folder.mkdir()
    for number, picture in enumerate(pictures):
        target = folders[number % batches] / f"{number:05d} été+{number % 7}%.jpg"
        picture.rename(target)
        if number % BAD_EVERY == 0:
            target.write_bytes(target.read_bytes()[: 200 + number % 1000] if number % 2 else b"no image at all")
    return folders


def drop_all(folders: list[Path], draw: random.Random, seconds: float) -> int:
    """Drop one batch after the other, and repeat a drop that a fault cut off, as its user would; how many were repeated."""
    again = 0
    for folder in folders:
        say(f"drop {folder.name}")
        while podium("drop", str(folder), "--batch", folder.name, expect=(0, 1)).returncode:
            again += 1
            time.sleep(2)
        time.sleep(draw.uniform(0.5, 1.5) * seconds / len(folders))
    return again


def listen(connection: Connection) -> str:
    """Make a queue for the events that announce complete batches; its URL."""
    url = connection.sqs.create_queue(QueueName="chaos-events")["QueueUrl"]
    arn = connection.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
            }
        ],
    }
    connection.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    connection.sqs.purge_queue(QueueUrl=url)
    events = connection.session.client(
        "events", endpoint_url=connection.facts.endpoint_url, verify=connection.facts.ca_bundle
    )
    events.put_rule(Name="chaos-events", EventPattern=json.dumps({"source": ["podium"]}))
    events.put_targets(Rule="chaos-events", Targets=[{"Id": "queue", "Arn": arn}])
    return url


def announcements(connection: Connection, url: str) -> Counter[str]:
    """How often each batch was announced as complete."""
    counts: Counter[str] = Counter()
    while messages := connection.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600).get(
        "Messages"
    ):
        counts.update(json.loads(message["Body"])["detail"]["batch"] for message in messages)
    return counts


def wait_for(batches: list[str], connection: Connection) -> None:
    """Return when every batch has a result for every image, and its summary."""
    deadline = time.monotonic() + GIVE_UP_AFTER_S
    for batch in batches:
        say(f"wait for {batch}")
        podium("watch", batch, "--timeout", str(max(1.0, deadline - time.monotonic())), expect=(0, EXIT_UNFINISHED))
    while time.monotonic() < deadline and any(not summary_of(connection, batch) for batch in batches):
        time.sleep(2)


def summary_of(connection: Connection, batch: str) -> dict[str, Any] | None:
    """The batch's summary.json; None before it is written."""
    try:
        response = connection.s3.get_object(Bucket=connection.facts.results_bucket, Key=f"batches/{batch}/summary.json")
    except connection.s3.exceptions.NoSuchKey:
        return None
    summary: dict[str, Any] = json.loads(response["Body"].read())
    return summary


def audit(connection: Connection, batches: list[str], events_url: str) -> dict[str, int]:
    """Count lost, doubled and dead images from the buckets, the table and the queues."""
    expected = {
        image: upload.version_id for batch in batches for image, upload in latest_uploads(connection, batch).items()
    }
    rows = [row for batch in batches for row in rows_of_batch(connection, batch)]
    per_image = Counter(row.image for row in rows)
    settled = {row.image for row in rows if row.version_id == expected.get(row.image)}
    mismatched = 0
    for row in rows:
        image = result_of(connection.s3, connection.facts.results_bucket, row).image
        mismatched += (image.uri, image.version_id) != (row.image, row.version_id)
    announced = announcements(connection, events_url)
    return {
        "images": len(expected),
        "classified": sum(row.status == "classified" for row in rows),
        "rejected": sum(row.status == "rejected" for row in rows),
        "lost": len(expected) - len(settled),
        "doubled rows": sum(count - 1 for count in per_image.values()),
        "rows whose JSON is another's": mismatched,
        "dead letters": sum(connection.message_counts(connection.facts.dlq_url)),
        "messages left on the queue": sum(connection.message_counts(connection.facts.queue_url)),
        "batches": len(batches),
        "batches with a summary": sum(summary_of(connection, batch) is not None for batch in batches),
        "batches announced once": sum(announced[batch] == 1 for batch in batches),
        "announcements": announced.total(),
    }


def main() -> None:
    """Run, print and write the figures; exit code 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=300, help="between the first drop and the last, about")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if local_stack() is None:
        sys.exit(f"there is no stack in {HOME}: run `podium demo` first, with the same PODIUM_HOME")
    folders = draw_images(options.images, options.batches, options.seed)
    podium("up")
    connection = Connection(None)
    events_url = listen(connection)
    chaos = Chaos(random.Random(options.seed))  # noqa: S311 - faults, not secrets
    began = time.monotonic()
    thread = threading.Thread(target=chaos.run)
    thread.start()
    try:
        drops_again = drop_all(folders, random.Random(options.seed + 1), options.seconds)  # noqa: S311
        dropped_s = time.monotonic() - began
    finally:
        chaos.over.set()
        thread.join()
    if not chaos.ended_well:
        sys.exit("the faults ended too early, see above: this run measures nothing")
    podium("up")
    names = [folder.name for folder in folders]
    wait_for(names, connection)
    found = {
        **audit(connection, names, events_url),
        **chaos.struck,
        "drops done again": drops_again,
        "seconds of faults": round(dropped_s),
        "seconds in all": round(time.monotonic() - began),
    }
    report = json.dumps({"seed": options.seed, "cores": os.cpu_count(), **found}, indent=2)
    print(report)  # noqa: T201
    if options.json:
        options.json.write_text(report + "\n")
    broken = any(found[name] for name in MUST_BE_NONE) or found["batches announced once"] != found["batches"]
    sys.exit(1 if broken or found["images"] != options.images else 0)


if __name__ == "__main__":
    main()
