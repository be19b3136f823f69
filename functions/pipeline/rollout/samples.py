"""Disagreements side by side, as files in the results bucket: the first of each stage, and never more than MOST."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.contracts import stamp
from pipeline.rollout.comparison import Compared
from pipeline.rollout.state import Rollout

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FOLDER = "rollouts/"
MOST = 100  # of a stage; some more when many functions write at once
MOST_AT_ONCE = 5  # of one invocation


def folder_of(rollout: Rollout, stage: str | None = None) -> str:
    """Where the samples of a stage lie, or those of all stages."""
    folder = f"{FOLDER}{rollout.candidate.ref}/{stamp(rollout.started_at)}/"
    return folder if stage is None else f"{folder}{stage}/"


@dataclass(frozen=True)
class Samples:
    """The results bucket, as far as rollouts write to it."""

    s3: S3Client
    bucket: str

    def keep(self, rollout: Rollout, disagreements: Sequence[Compared], *, disagreed: int) -> None:
        """Write some of them, if the stage has not `disagreed` so often already that there are enough."""
        before = disagreed - len(disagreements)
        for compared in disagreements[: max(0, min(MOST_AT_ONCE, MOST - before))]:
            name = hashlib.sha256(f"{compared.image}?{compared.version_id}".encode()).hexdigest()[:24]
            self.s3.put_object(
                Bucket=self.bucket,
                Key=f"{folder_of(rollout, rollout.stage_name)}{name}.json",
                Body=(compared.model_dump_json(indent=2) + "\n").encode(),
                ContentType="application/json",
            )
