"""What a person reads about a bulk job."""

from __future__ import annotations

from collections.abc import Sequence

from bulk.job import Job
from bulk.progress import Tally


def begun_sentence(job: Job, left: int) -> str:
    """What is to be done."""
    done = f", {job.shards - left} of them done" if left < job.shards else ""
    return f"job {job.name}: {job.images:,} images of s3://{job.bucket}/{job.prefix} in {_shards(job.shards)}{done}, by {job.model.ref}"


def bulk_document(job: Job, tally: Tally, left: Sequence[int], results: str) -> dict[str, object]:
    """The job as it is now, for JSON."""
    return {
        "job": job.name, "model": job.model.ref, "images": job.images, "shards": job.shards, "shards_left": len(left),
        "classified": tally.classified, "rejected": tally.rejected, "failed": tally.failed, "rows": job.rows, "results": results,
    }  # fmt: skip


def bulk_sentence(tally: Tally, results: str) -> str:
    """What became of the images, and where it is written."""
    states = {"classified": tally.classified, "rejected, each with its reason": tally.rejected, "failed": tally.failed}
    said = ", ".join(f"{count:,} {what}" for what, count in states.items() if count)
    return f"{said or 'nothing is done yet'}; Parquet in {results}"


def _shards(count: int) -> str:
    return f"{count:,} shard" if count == 1 else f"{count:,} shards"
