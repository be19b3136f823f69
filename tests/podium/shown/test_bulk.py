"""A bulk job in sentences and as JSON."""

from __future__ import annotations

from bulk.progress import Tally
from podium.shown.bulk import begun_sentence, bulk_document, bulk_sentence
from tests.podium.care.test_bulk_batch import JOB

PLACE = "s3://podium-results/bulk/job/results/"


def test_a_job_says_what_is_to_be_done_and_what_is_done_already() -> None:
    assert begun_sentence(JOB, 3) == "job job: 3 images of s3://archive/ in 3 shards, by balls@1.0"
    assert begun_sentence(JOB, 1) == "job job: 3 images of s3://archive/ in 3 shards, 2 of them done, by balls@1.0"
    assert "in 1 shard, by" in begun_sentence(JOB.model_copy(update={"shards": 1}), 1)


def test_the_end_names_only_states_that_there_are() -> None:
    assert bulk_sentence(Tally(classified=2_000), PLACE) == f"2,000 classified; Parquet in {PLACE}"
    said = bulk_sentence(Tally(classified=1, rejected=1, failed=1), PLACE)
    assert said == f"1 classified, 1 rejected, each with its reason, 1 failed; Parquet in {PLACE}"
    assert bulk_sentence(Tally(), PLACE).startswith("nothing is done yet")


def test_the_document_counts_images_and_shards() -> None:
    document = bulk_document(JOB, Tally(shards=2, classified=1, rejected=1), [2], PLACE)
    assert document == {
        "job": "job", "model": "balls@1.0", "images": 3, "shards": 3, "shards_left": 1, "classified": 1, "rejected": 1,
        "failed": 0, "rows": False, "results": PLACE,
    }  # fmt: skip
