"""What became of a batch's images, by their rows, read lean: a batch of 100,000 images has a few minutes and a gigabyte.

So a row is no pydantic record here, and no Decimal is made of its numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from sys import intern
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from pipeline.contracts import ManifestPart, Status
from pipeline.results.index_keys import SHARDS
from pipeline.results.known_rows import items_of_image
from pipeline.results.shards import all_rows, of_batch

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

READ = ("image", "model", "status", "top3", "uncertain", "rejected_code", "rejected_reason", "classified_at", "version_id", "etag")  # fmt: skip
_PROJECTION = ", ".join(f"#{name}" for name in READ)
_NAMES = {f"#{name}": name for name in READ}  # some are words that DynamoDB keeps for itself

_STATUSES: dict[str, Status] = {status: status for status in get_args(Status)}

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row: what became of one image under one model."""

    image: str
    model: str
    status: Status
    steps: tuple[tuple[str, float], ...]  # label and probability, best first
    uncertain: str | None
    rejected_code: str | None
    rejected_reason: str | None
    classified_at: datetime
    version_id: str | None
    etag: str | None

    @property
    def age(self) -> tuple[datetime, str]:
        """To compare rows of one image by: the greatest was made last, and no two are equal."""
        return self.classified_at, self.model


class ExpectedUpload(NamedTuple):
    """The upload of one image that the batch expects; it has been there since `since`."""

    version_id: str | None
    etag: str | None
    since: datetime


def expected_uploads(
    parts: Iterable[ManifestPart],
    known: Mapping[str, ExpectedUpload] | None = None,
    *,
    only: Callable[[str], bool] = lambda _: True,
) -> dict[str, ExpectedUpload]:
    """Every image of the batch once, as `expected_images` has it, and smaller; with those that are known from other parts.

    `only` says which images are wanted.
    """
    uploads = dict(known or {})
    for part in parts:
        for image in part.images:
            if not only(image.image):
                continue
            before = uploads.get(image.image)
            if before is None or before.since <= part.created_at:
                etag = image.etag.strip('"') if image.etag else None
                uploads[image.image] = ExpectedUpload(image.version_id, etag, part.created_at)
    return uploads


def rows_of_batch(
    dynamodb: DynamoDBClient, table: str, batch: str, shards: Iterable[int] = range(SHARDS)
) -> Iterator[Item]:
    """The rows of a batch, as the index has them: a moment old, one shard after the other; all shards, or some."""
    return all_rows(dynamodb, table, of_batch(batch, wanted=READ), shards)


def rows_of_image(dynamodb: DynamoDBClient, table: str, image: str) -> Sequence[Item]:
    """The rows of an image as they are now, whichever batch they are in."""
    return items_of_image(dynamodb, table, image, _PROJECTION, _NAMES)


def outcome_in(item: Item) -> Outcome | None:
    """The outcome that a row holds; None for a row that no function of ours would write."""
    try:
        steps = [step["M"] for step in item["top3"]["L"]] if "top3" in item else []
        return Outcome(
            image=item["image"]["S"],
            model=intern(item["model"]["S"]),
            status=_STATUSES[item["status"]["S"]],
            steps=tuple((intern(step["label"]["S"]), float(step["probability"]["N"])) for step in steps),
            uncertain=_text(item, "uncertain"),
            rejected_code=_text(item, "rejected_code"),
            rejected_reason=_text(item, "rejected_reason"),
            classified_at=datetime.fromisoformat(item["classified_at"]["S"]).astimezone(UTC),
            version_id=_text(item, "version_id"),
            etag=_text(item, "etag"),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _text(item: Item, name: str) -> str | None:
    value = item.get(name)
    return value["S"] if value is not None else None
