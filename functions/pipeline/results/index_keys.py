"""The keys of the table's indexes: how a row is found by batch, by label, and among those that a person should look at.

index                  hash key                        range key                                       rows
by-batch-label         batch_shard   "monday/07"       batch_order   "golf ball 0.934512 5f0a..."      of a batch
by-label-probability   label_shard   "golf ball/07"    label_order   "0.934512 5f0a..."                classified
by-review-margin       review_shard  "uncertain/07"    review_order  "monday 0.034512 5f0a..."         to be reviewed

One value of a hash key takes 1,000 writes a second, so each batch, label and kind of review has SHARDS of them, and a reader
reads all (shards.py). Every range key ends with a digest of image and model: no two rows have the same place, so a place
is all that a page of results must remember. The margin is by how much the best class is ahead of the second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

# 16,000 writes a second for one batch of one label; 10^9 images a day are 11,574. Readers know in which shard an image's rows
# are: with another number, every row that is there needs new keys.
SHARDS = 16
_CUT_BYTES = (
    900  # of a name in a key: a range key has at most 1,024 bytes, and 26 follow. Readers compare the whole name
)
_DIGITS = 16


@dataclass(frozen=True)
class Index:
    """An index, and the two attributes that are its key."""

    name: str
    hash_key: str
    range_key: str


BY_BATCH = Index("by-batch-label", "batch_shard", "batch_order")
BY_LABEL = Index("by-label-probability", "label_shard", "label_order")
BY_REVIEW = Index("by-review-margin", "review_shard", "review_order")
INDEXES = (BY_BATCH, BY_LABEL, BY_REVIEW)


def index_keys(row: Mapping[str, Any]) -> dict[str, str]:
    """The keys of a row, by their attributes; an index that the row is not in has none."""
    shard, place = shard_of(row["image"]), _place_of(row)
    batch, label, review = row.get("batch"), row.get("label"), row.get("review")
    keys: dict[str, str] = {}
    if batch is not None:
        of_label = f"{cut(label)} {six_places(row['probability'])}" if label is not None else _unlabelled(row)
        keys |= {BY_BATCH.hash_key: in_shard(batch, shard), BY_BATCH.range_key: f"{of_label} {place}"}
    if label is not None:
        keys |= {BY_LABEL.hash_key: in_shard(label, shard)}
        keys |= {BY_LABEL.range_key: f"{six_places(row['probability'])} {place}"}
    if review is not None:
        order = _unlabelled(row) if review == "rejected" else f" {six_places(_margin(row))}"
        keys |= {BY_REVIEW.hash_key: in_shard(review, shard), BY_REVIEW.range_key: f"{cut(batch or '')}{order} {place}"}
    return keys


def shard_of(image: str) -> int:
    """The shard of all rows of an image (`s3://bucket/key`)."""
    return _number_of(image) % SHARDS


def slice_of(image: str, slices: int) -> int:
    """Of so many slices, a divisor or a multiple of SHARDS, the one that an image is in: some whole shards, or a part of one."""
    return _number_of(image) % slices


def shards_of_slice(number: int, slices: int) -> list[int]:
    """The shards in which the rows of a slice lie; with those of other slices, if there are more slices than shards."""
    return [number % SHARDS] if slices > SHARDS else list(range(number, SHARDS, slices))


def in_shard(name: str, shard: int) -> str:
    """The hash key of one shard of a batch, a label or a kind of review: `monday/07`."""
    return f"{cut(name)}/{shard:02}"


def cut(name: str) -> str:
    """The name as far as keys have it; almost always the whole."""
    return name.encode()[:_CUT_BYTES].decode(errors="ignore")


def six_places(probability: Decimal | float) -> str:
    """`0.934512`, so that strings compare as numbers do."""
    return f"{probability:.6f}"


def _number_of(image: str) -> int:
    return int.from_bytes(hashlib.sha256(image.encode()).digest()[:8])


def _place_of(row: Mapping[str, Any]) -> str:
    return hashlib.sha256(f"{row['image']} {row['model']}".encode()).hexdigest()[:_DIGITS]


def _unlabelled(row: Mapping[str, Any]) -> str:
    """Of a rejected image, in the place of a label and a number; it comes before every label."""
    return f" {row.get('rejected_code', '')}"


def _margin(row: Mapping[str, Any]) -> Decimal:
    best, second = ([step["probability"] for step in row["top3"]] + [Decimal(0), Decimal(0)])[:2]
    return Decimal(best - second)
