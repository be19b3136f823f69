"""Every record that an image becomes, in the order it becomes them. No I/O.

Order -> ImageRef -> (bytes) -> ServerAnswer, ServerAnswers -> Classification -> Row

Unknown fields are ignored when a record is read: two deployments never roll in the same second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

SCHEMA_VERSION: Literal["1.0"] = "1.0"
INCOMING_PREFIX = "incoming/"
RESULTS_PREFIX = "results/"
BATCHES_PREFIX = "batches/"  # of the results bucket: manifests, summaries, tables of whole batches
SEQUENCER_WIDTH = 32  # hexadecimal digits; S3 sends 16 to 18 today and may send more
KEY_LIMIT_BYTES = 1024  # S3's limit on a key, in UTF-8

RejectionCode = Literal[
    "folder_marker",
    "empty",
    "too_large",
    "gone",
    "archived",
    "encrypted",
    "unsupported_format",
    "unreadable",
    "too_many_pixels",
    "too_slow",
]
# Of these an object's bytes say nothing: it was not there, or S3 did not hand it over, and tomorrow the same bytes may be read.
NOT_HANDED_OVER: frozenset[str] = frozenset({"gone", "archived", "encrypted"})
Status = Literal["classified", "rejected"]
# Why a message is a dead letter; one without a code was moved by SQS itself: the function died of it, or never ran.
DeadLetterCode = Literal["unreadable", "given_up"]
Sender = Literal["upload", "backfill", "reclassify", "reconcile", "rollout"]
Probability = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


def stamp(moment: datetime) -> str:
    """The moment as the tables write it: ISO 8601, UTC, six places, so that strings compare as moments do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Record(BaseModel):
    """A frozen record; a field that it does not know is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class LedgerItem(Record):
    """A record in the ledger table."""

    @classmethod
    def read(cls, item: Mapping[str, Any]) -> Self | None:
        """The item as DynamoDB's API and its streams write it; None for one that is no such record of this version."""
        try:
            return cls.model_validate({name: next(iter(value.values())) for name, value in item.items()})
        except (ValidationError, AttributeError, StopIteration):
            return None


class ImageRef(Record):
    """One version of one object, as its upload event names it; the key is decoded."""

    bucket: Annotated[str, Field(min_length=1)]
    key: Annotated[str, Field(min_length=1)]
    version_id: str | None = None
    etag: str | None = None
    size_bytes: Annotated[int, Field(ge=0)]
    sequencer: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]*$", max_length=SEQUENCER_WIDTH)]

    @property
    def uri(self) -> str:
        """`s3://bucket/key`, the image's name everywhere a person meets it."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def batch(self) -> str | None:
        """The person's upload this image belongs to: `incoming/<batch>/<name>`; None when there is no folder."""
        folder, slash, _ = self.key.removeprefix(INCOMING_PREFIX).partition("/")
        return folder if slash and folder else None

    def result_key(self, input_bucket: str) -> str:
        """Where the JSON lies in the results bucket: by the image's own name, or by hash if that is too long.

        An image of another bucket than the input bucket has its bucket's name before it; keys of ours begin with `incoming/`.
        """
        own = self.bucket == input_bucket
        named = f"{RESULTS_PREFIX}{self.key if own else f'from/{self.bucket}/{self.key}'}.json"
        if len(named.encode()) <= KEY_LIMIT_BYTES:
            return named
        return f"{RESULTS_PREFIX}long-key/{hashlib.sha256((self.key if own else self.uri).encode()).hexdigest()}.json"

    @property
    def ordinal(self) -> str:
        """The sequencer, padded on the right as S3 defines its order, so that strings compare as S3 compares."""
        return self.sequencer.upper().ljust(SEQUENCER_WIDTH, "0")


class ModelFacts(Record):
    """The model that answered. Without `archive_sha256` none did: it is the configured one."""

    name: str
    version: str
    archive_sha256: str | None = None
    engine: str | None = None  # what the server computed with, such as "openvino-bf16"; no part of what a model is

    @property
    def ref(self) -> str:
        """`name@version`, the range key of the table."""
        return f"{self.name}@{self.version}"


class Order(Record):
    """What a message asks for: one image to classify, for whom, and by which model."""

    image: ImageRef
    sender: Sender = "upload"
    batch: str | None = None
    model: ModelFacts | None = None  # None: the configured one


class LabelProbability(Record):
    """One class as the model server answers it."""

    label: Annotated[str, Field(min_length=1)]
    probability: Probability


def _is_a_ranking(predictions: tuple[LabelProbability, ...]) -> tuple[LabelProbability, ...]:
    probabilities = [prediction.probability for prediction in predictions]
    if probabilities != sorted(probabilities, reverse=True):
        raise ValueError("predictions must come best first")
    if sum(probabilities) > 1.001:  # float32 softmax over thousands of classes sums to 1 within 1e-4
        raise ValueError("probabilities must not sum to more than 1")
    if len({prediction.label for prediction in predictions}) < len(predictions):
        raise ValueError("every label must occur once")
    return predictions


_Ranking = AfterValidator(_is_a_ranking)


class ServerAnswer(Record):
    """The model server's 200: its top classes, best first."""

    model: ModelFacts
    predictions: Annotated[tuple[LabelProbability, ...], Field(min_length=1), _Ranking]
    uncertain: str | None = None


class ServerRejection(Record):
    """The model server's 4xx: the image's fault, in a sentence; never retried."""

    code: RejectionCode
    error: str
    model: ModelFacts | None = None


class ServerEntry(Record):
    """What became of one image of a request of many: status 200 is an answer, 4xx the image's fault, 5xx the server's state."""

    name: str  # as the request named the image
    status: Annotated[int, Field(ge=100, le=599)]
    predictions: Annotated[tuple[LabelProbability, ...], _Ranking] = ()
    uncertain: str | None = None
    code: str | None = None  # of a rejection
    error: str | None = None

    @model_validator(mode="after")
    def _an_answer_has_predictions(self) -> Self:
        if self.status == 200 and not self.predictions:
            raise ValueError("an entry with status 200 carries predictions")
        return self


class ServerAnswers(Record):
    """The model server's 200 to a request of many images: an entry for each of them."""

    model: ModelFacts
    answers: tuple[ServerEntry, ...]


class Prediction(LabelProbability):
    """One step of the podium."""

    rank: Annotated[int, Field(ge=1, le=3)]


class Rejection(Record):
    """Why no model could read the image."""

    code: RejectionCode
    reason: str


class Timings(Record):
    """Where the time went, in milliseconds."""

    fetch_ms: Annotated[float, Field(ge=0)]
    predict_ms: Annotated[float, Field(ge=0)]


class Classification(Record):
    """The result: what became of one version of one image under one model."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    image: ImageRef
    batch: str | None
    status: Status
    predictions: Annotated[tuple[Prediction, ...], Field(max_length=3)] = ()
    uncertain: str | None = None
    rejected: Rejection | None = None
    model: ModelFacts
    timings: Timings
    classified_at: datetime

    @model_validator(mode="after")
    def _status_explains_itself(self) -> Self:
        if (self.status == "rejected") != (self.rejected is not None):
            raise ValueError("a rejected result carries a reason, a classified one none")
        if (self.status == "classified") != bool(self.predictions):
            raise ValueError("a classified result carries predictions, a rejected one none")
        return self

    @property
    def best(self) -> Prediction | None:
        """The most likely class; None when the image was rejected."""
        return self.predictions[0] if self.predictions else None


class Row(Record):
    """What a person reads in the table: one image under one model, the attributes by their names there."""

    image: str
    model: str
    status: Status
    label: str | None = None
    probability: Probability | None = None
    top3: tuple[LabelProbability, ...] = ()
    batch: str | None = None
    uncertain: str | None = None
    review: Literal["uncertain", "rejected"] | None = None
    rejected_code: RejectionCode | None = None
    rejected_reason: str | None = None
    model_sha256: str | None = None
    size_bytes: Annotated[int, Field(ge=0)]
    etag: str | None = None
    version_id: str | None = None
    sequencer: str
    result_key: str
    result_version_id: str | None = None
    result_line: Annotated[int, Field(ge=1)] | None = None  # if it is one of many in its object
    result_range: Annotated[str, Field(pattern=r"^bytes=\d+-\d+$")] | None = None  # of that line, for S3's Range
    classified_at: datetime
    schema_version: Literal["1.0"] = SCHEMA_VERSION


class ExpectedImage(Record):
    """One image of a batch; its version or else its etag names the upload."""

    image: str
    version_id: str | None = None
    etag: str | None = None


class ManifestPart(Record):
    """A part of what a batch expects. Parts add up; if two name the same image, the later one counts."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    batch: str
    images: tuple[ExpectedImage, ...]
    created_at: datetime


class BatchSummary(Record):
    """A complete batch, in figures: `batches/NAME/summary.json` in the results bucket."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    batch: str
    revision: str  # of its manifest: a batch that grew is complete a second time
    total: Annotated[int, Field(ge=0)]
    classified: Annotated[int, Field(ge=0)]
    rejected: Annotated[int, Field(ge=0)]
    uncertain: Annotated[int, Field(ge=0)]
    labels: dict[str, int]  # how often each class was the most likely one
    rejections: dict[RejectionCode, int]
    models: dict[str, int]
    first_classified_at: datetime | None
    last_classified_at: datetime | None
    results_key: str  # the table of all images, CSV


class Tally(Record):
    """One part of a backfill, in figures: every object is on the queue, or counted by why it is not."""

    listed: Annotated[int, Field(ge=0)] = 0
    enqueued: Annotated[int, Field(ge=0)] = 0
    already: Annotated[int, Field(ge=0)] = 0  # with a result of the same bytes under the same model
    markers: Annotated[int, Field(ge=0)] = 0  # of folders
    missing: Annotated[int, Field(ge=0)] = 0  # named by a manifest, and not there


class Backfill(Tally):
    """A backfill that ended, in figures: `batches/JOB/backfill.json` in the results bucket."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    job: str  # and the name of the batch
    bucket: str
    prefix: str | None = None  # either what was listed
    manifest: str | None = None  # or the file that names the images
    parts: Annotated[int, Field(ge=0)]  # of the batch's manifest
    error: str | None = None  # why the machine stopped before its end
    closed_at: datetime
