"""The ordinary case of everything that the functions meet; a test changes one thing of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from pipeline.classify.conclusion import conclude
from pipeline.classify.images import Answered, Fetched
from pipeline.contracts import Classification, ImageRef, LabelProbability, ModelFacts, Order, ServerAnswer, Timings
from pipeline.errors import ImageRejected
from pipeline.queue.messages import Message
from pipeline.results.known_rows import KnownRow
from pipeline.settings import Settings

ROOT = Path(__file__).parents[2]
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(600)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
EXPECTED = ModelFacts(name="balls", version="1.0")
ANSWERED = ModelFacts(name="balls", version="1.0", archive_sha256="5e" * 32)


def event(name: str) -> dict[str, Any]:
    """The Lambda event of one file in events/."""
    loaded: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def body_of(name: str, position: int = 0) -> str:
    """The body of one message of one file in events/."""
    body: str = event(name)["Records"][position]["body"]
    return body


def deployed_settings(**changes: object) -> Settings:
    ordinary = {
        "input_bucket": "input",
        "results_bucket": "results",
        "results": "each",
        "table_name": "rows",
        "ledger_name": "ledger",
        "queue_url": "https://queue.test/images",
        "dlq_url": "https://queue.test/images-dlq",
        "model_server_url": "http://models.test:8080",
        "model_server_token_secret": "",
        "model_archive": "",
        "model_archive_version": "",
        "model_archive_sha256": "",
        "model_name": "balls",
        "model_version": "1.0",
        "max_image_bytes": 10_485_760,
        "max_receives": 10,
        "predict_timeout_s": 20.0,
    }
    return Settings.model_validate(ordinary | changes)


def image_ref(**changes: object) -> ImageRef:
    ordinary = {
        "bucket": "podium-input-000000000000-us-east-1",
        "key": "incoming/monday/ball.jpg",
        "version_id": "v1",
        "etag": "b1946ac92492d2347c6235b4d2611184",
        "size_bytes": len(JPEG),
        "sequencer": "0055AED6DCD90281E5",
    }
    return ImageRef.model_validate(ordinary | changes)


def order(image: ImageRef | None = None, **changes: object) -> Order:
    named = image or image_ref()
    return Order.model_validate({"image": named, "batch": named.batch} | changes)


def server_answer(**changes: object) -> ServerAnswer:
    ordinary = {
        "model": ANSWERED,
        "predictions": (
            LabelProbability(label="golf ball", probability=0.9),
            LabelProbability(label="tennis ball", probability=0.06),
            LabelProbability(label="baseball", probability=0.02),
        ),
        "uncertain": None,
    }
    return ServerAnswer.model_validate(ordinary | changes)


def classification(image: ImageRef | None = None, answer: ServerAnswer | None = None) -> Classification:
    return conclude(answered(order(image), answer or server_answer()), EXPECTED)


def fetched(ordered: Order | None = None, data: bytes = JPEG) -> Fetched:
    return Fetched(ordered or order(), data, NOON, fetch_ms=0.0)


def answered(ordered: Order, answer: ServerAnswer | ImageRejected) -> Answered:
    return Answered(ordered, answer, NOON, Timings(fetch_ms=0, predict_ms=0))


def known_row(**changes: object) -> KnownRow:
    row = {"image": image_ref().uri, "version_id": "v0", "sequencer": "0" * 31 + "5", "classified_at": NOON}
    return KnownRow.model_validate(row | changes)


def s3_record(image: ImageRef) -> dict[str, Any]:
    """What S3 sends about the image: the record of sqs-s3-put.json with this image's facts."""
    record: dict[str, Any] = json.loads(body_of("sqs-s3-put"))["Records"][0]
    record["s3"]["bucket"] |= {"name": image.bucket, "arn": f"arn:aws:s3:::{image.bucket}"}
    record["s3"]["object"] = {
        "key": quote_plus(image.key, safe="/"),
        "size": image.size_bytes,
        "eTag": image.etag,
        "versionId": image.version_id,
        "sequencer": image.sequencer,
    }
    return record


def sqs_event(*bodies: str, receive_count: int = 1) -> dict[str, Any]:
    """One SQS batch of messages m0, m1, ... with these bodies."""
    [ordinary] = event("sqs-s3-put")["Records"]
    attributes = ordinary["attributes"] | {"ApproximateReceiveCount": str(receive_count)}
    return {
        "Records": [
            ordinary | {"messageId": f"m{n}", "receiptHandle": f"r{n}", "body": body, "attributes": attributes}
            for n, body in enumerate(bodies)
        ]
    }


def body_about(*images: ImageRef) -> str:
    return json.dumps({"Records": [s3_record(image) for image in images]})


def message(body: str = "{}", message_id: str = "m0", receive_count: int = 1) -> Message:
    [sent] = sqs_event(body, receive_count=receive_count)["Records"]
    return Message.model_validate(sent | {"messageId": message_id})
