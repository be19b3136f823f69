"""Run the children of a bulk job over photos in an S3 of this machine, kill them, and count what became of every image.

    python -m benchmarks.bulk --archive NAME.mar --photos FOLDER [--images 10000] [--processes 2] [--kills 12]

First in peace, for the figures; then again under another name, with rows, while children are killed. Prints one JSON
document. The S3 is MiniStack's, in its own process: what it uses of the two CPUs counts for images a second on the wall,
not for the processor seconds of an image.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import psutil

from benchmarks.bulk.objects import fill, mean_kb, photos_in, rows_of
from benchmarks.serving import machine
from bulk.job import Job, write_job
from bulk.listing import objects_under
from bulk.progress import tallies, to_do, total
from bulk.shards import read_table, write_shards
from inference.archive.digest import file_sha256
from inference.archive.packed import read_packed
from pipeline.contracts import ModelFacts
from pipeline.model_here.archive import ArchiveRef
from podium.care.bulk_local import Processes, Share
from podium.project import TOOLS, port_is_free

ROOT = Path(__file__).resolve().parents[2]
PHOTOS, RESULTS, TABLE = "photos", "results", "results"
PORT = 45_990
KILLED_EVERY_S = 4.0
Json = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bulk", description=__doc__)
    parser.add_argument("--archive", type=Path, required=True, metavar="NAME.mar")
    parser.add_argument("--photos", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--images", type=int, default=10_000, metavar="N")
    parser.add_argument("--processes", type=int, default=2, metavar="N")
    parser.add_argument("--kills", type=int, default=12, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bulk-") as scratch, _aws(Path(scratch)) as environment:
        os.environ |= environment
        trial = Trial(options, Path(scratch), environment)
        document = {"machine": machine.facts(), "date": f"{datetime.now(UTC):%Y-%m-%d}", **trial.run()}
    print(json.dumps(document, indent=1))  # noqa: T201


class Trial:
    """Two jobs over the same bucket, one in peace and one with deaths."""

    def __init__(self, options: argparse.Namespace, scratch: Path, environment: dict[str, str]) -> None:
        self.options, self.scratch, self.environment = options, scratch, environment
        self.s3, self.dynamodb = boto3.client("s3"), boto3.client("dynamodb")
        self.model = read_packed(options.archive)
        self.random = random.Random(options.seed)  # noqa: S311

    def run(self) -> Json:
        """Both, and what became of every image."""
        photos = photos_in(self.options.photos, 300)
        held = self._made(photos)
        calm, killed = self._job("calm", rows=False), self._job("killed", rows=True)
        figures = self._measured(calm)
        kills, deaths_s = self._killed(killed)
        expected = self._outcomes(calm)
        found = self._outcomes(killed)
        rows = list(rows_of(self.dynamodb, TABLE))
        names = Counter(row["image"]["S"].removeprefix(f"s3://{PHOTOS}/") for row in rows)
        return {
            "archive": f"{self.model.name}@{self.model.version}",
            "photo_kb": round(mean_kb(photos), 1),
            **figures,
            "killed": {
                "kills": kills,
                "seconds": deaths_s,
                "objects": len(held),
                "lost": len(held.keys() - found.keys()),
                "twice": sum(count - 1 for count in self._keys(killed).values()),
                "otherwise than in peace": sum(found[key] != expected[key] for key in held if key in found),
                "rows lost": len(held.keys() - names.keys()),
                "rows twice": sum(count - 1 for count in names.values()),
                "rows otherwise": sum(_said(row) != found[row["image"]["S"][len(f"s3://{PHOTOS}/") :]] for row in rows),
                "parts left": self._parts_left(),
            },
        }

    def _made(self, photos: Sequence[bytes]) -> dict[str, int]:
        for bucket in (PHOTOS, RESULTS):
            self.s3.create_bucket(Bucket=bucket)
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self.dynamodb.create_table(
            TableName=TABLE, BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("image", "model")],
            KeySchema=[{"AttributeName": "image", "KeyType": "HASH"}, {"AttributeName": "model", "KeyType": "RANGE"}],
        )  # fmt: skip
        self.s3.upload_file(str(self.options.archive), RESULTS, "models/model.mar")
        return fill(self.s3, PHOTOS, photos, self.options.images)

    def _job(self, name: str, *, rows: bool) -> Job:
        listed = objects_under(self.s3, PHOTOS, "archive/")
        sizes = list(write_shards(self.s3, RESULTS, name, listed, max(1, self.options.images // 20)))
        archive = ArchiveRef(
            bucket=RESULTS, key="models/model.mar", sha256=file_sha256(self.options.archive),
            version_id=self.s3.head_object(Bucket=RESULTS, Key="models/model.mar")["VersionId"],
        )  # fmt: skip
        job = Job(
            name=name, bucket=PHOTOS, prefix="archive/", archive=archive, max_image_bytes=10_485_760,
            model=ModelFacts(name=self.model.name, version=self.model.version), rows=rows, table=TABLE,
            images=sum(images for _, images in sizes), shards=len(sizes), part_images=100, created_at=datetime.now(UTC),
        )  # fmt: skip
        write_job(self.s3, RESULTS, job)
        return job

    def _measured(self, job: Job) -> Json:
        most: dict[str, float] = {}

        def look(shares: Sequence[Share]) -> None:
            for share in shares:
                if share.process and (mb := _memory_mb(share.process.pid)):
                    most["child_mb"] = max(most.get("child_mb", 0.0), mb)

        before, began_s = _cpu_s(), time.monotonic()
        self._do(job, look)
        seconds, cpu_s = time.monotonic() - began_s, _cpu_s() - before
        done = total(tallies(self.s3, RESULTS, job))
        return {
            "images": done.images,
            "states": done.model_dump(),
            "processes": self.options.processes,
            "seconds": round(seconds, 1),
            "images_per_s": round(done.images / seconds, 1),
            "cpu_ms_per_image": round(cpu_s * 1000 / done.images, 2),
            "images_per_cpu_s": round(done.images / cpu_s, 1),
            "child_mb": round(most.get("child_mb", 0.0)),
        }

    def _killed(self, job: Job) -> tuple[int, float]:
        """Kill a child now and then, so often; how many, and how long it took."""
        kills, next_s = 0, time.monotonic() + KILLED_EVERY_S

        def look(shares: Sequence[Share]) -> None:
            nonlocal kills, next_s
            alive = [share.process for share in shares if share.process is not None]
            if alive and kills < self.options.kills and time.monotonic() > next_s:
                self.random.choice(alive).kill()
                kills, next_s = kills + 1, time.monotonic() + self.random.uniform(0.5, 2) * KILLED_EVERY_S

        began_s = time.monotonic()
        self._do(job, look)
        return kills, round(time.monotonic() - began_s, 1)

    def _do(self, job: Job, look: Callable[[Sequence[Share]], None]) -> None:
        left = to_do(job, {})
        processes = Processes(RESULTS, job.name, os.environ | self.environment, self.scratch / "logs")
        processes.run(
            left, self.options.processes, lambda some: [it for it in to_do(job, tallies(self.s3, RESULTS, job)) if it in some],
            on_look=look,
        )  # fmt: skip

    def _outcomes(self, job: Job) -> dict[str, tuple[object, ...]]:
        return {it["key"]: (it["status"], it["label"], it["rejected_code"]) for it in self._lines(job)}

    def _keys(self, job: Job) -> Counter[str]:
        return Counter(it["key"] for it in self._lines(job))

    def _lines(self, job: Job) -> Iterator[Json]:
        for shard in range(job.shards):
            yield from read_table(self.s3, RESULTS, job.result_key(shard)).to_pylist()

    def _parts_left(self) -> int:
        found = self.s3.list_objects_v2(Bucket=RESULTS, Prefix="bulk/")
        return sum("/parts/" in it["Key"] for it in found.get("Contents", []))


def _said(row: Json) -> tuple[object, ...]:
    return tuple(row[name]["S"] if name in row else None for name in ("status", "label", "rejected_code"))


def _cpu_s() -> float:
    """Processor seconds of children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _memory_mb(pid: int) -> float:
    """Proportional memory of a process and of those below it."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        return float(sum(it.memory_full_info().pss for it in (process, *process.children(recursive=True)))) / 1e6
    return 0.0


@contextmanager
def _aws(scratch: Path) -> Iterator[dict[str, str]]:
    """An S3 and a DynamoDB of this machine; the variables that lead there."""
    port = next(port for port in range(PORT, PORT + 100) if port_is_free(port))
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull,
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    server = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0"}
    with (scratch / "aws.log").open("wb") as log:
        process = subprocess.Popen(
            [TOOLS / "ministack"],
            env=os.environ | server | {"TMPDIR": str(scratch)},
            stdout=log,
            stderr=log,
            cwd=scratch,
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/_ministack/health", process)
        yield environment
    finally:
        process.terminate()
        process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        with suppress(OSError), urllib.request.urlopen(url, timeout=1):  # noqa: S310
            return
        if process.poll() is not None:
            raise SystemExit(f"ministack ended with exit code {process.returncode}")
        time.sleep(0.1)
    raise SystemExit("ministack does not answer")


if __name__ == "__main__":
    main()
