"""The promises, checked in a world that has come to rest; the witness's own observations are the second promise's."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from urllib.parse import unquote_plus

from pipeline.queue.messages import LONGEST_BACK_OFF_S
from tests.functions.simulation.plan import Rollout, Step
from tests.functions.simulation.sqs import Sent
from tests.functions.simulation.witness import Uploaded
from tests.functions.simulation.world import INPUT, World

SOON_S = 60.0
BACK_OFFS_END_S = 600.0  # after so long, no message is still in a back-off that began before the gate closed
AT_ONCE_S = 1.0


class Broken(AssertionError):
    """A promise did not hold in this world."""


def check(world: World) -> None:
    """Raise every promise that is broken, with the world's trace."""
    broken = [f"a bug: {bug!r}" for bug in world.bugs] + world.witness.violations
    broken += [*promise_1(world), *promise_2(world), *promise_3(world)]
    _raise(world, broken)


def promise_1(world: World) -> Iterator[str]:
    """Every object under the prefix reaches a terminal state: it has its row, or its message is a dead letter."""
    for key in world.s3.buckets[INPUT]:
        latest = world.s3.latest(INPUT, key)
        if latest is None:
            continue
        upload = world.witness.upload_of(f"s3://{INPUT}/{key}", latest.version_id, latest.etag)
        if upload in _dead(world):
            continue
        # Reconcile finds uploads whose event S3 lost, and those that a deletion of a newer version uncovered.
        done = upload in world.witness.rows.values() if world.plan.reconcile else _is_settled(world, upload)
        if not done and (upload.upload.events_after_s or world.plan.reconcile):
            yield f"promise 1: upload {upload.number} ({upload.image.uri}) is neither in the table nor a dead letter"


def promise_2(world: World) -> Iterator[str]:
    """One row per image and model, of the last upload in S3's order of all whose event came."""
    witness = world.witness
    for key, upload in witness.rows.items():
        newest = max(witness.tried[key])
        # If the newest version was deleted for good, reconcile and backfill bring back the one that it covered. And a
        # backfilled row, which knows no order, wins over older uploads for good only with the event of its own upload.
        excused = _is_last_that_exists(world, upload) or witness.uploads[newest] in _dead(world)
        if upload.number != newest and not excused:
            yield f"promise 2: the row of {key} is of upload {upload.number}, and {newest} was seen"
    stored = {key: item["etag"]["S"] for key, item in world.rows.items.items()}
    if stored != {key: upload.image.etag for key, upload in witness.rows.items()}:
        yield f"promise 2: the table is not what was written to it: {stored}"
    images = [image for image, _ in witness.rows]
    if len(images) > len(set(images)) and not any(isinstance(action, Rollout | Step) for action in world.plan.actions):
        yield f"promise 2: an image has two rows, and there was one model: {list(witness.rows)}"


def promise_3(world: World) -> Iterator[str]:
    """Nothing is lost and nothing is retried for ever: a message was finished, or is a dead letter, which says why."""
    for message in world.queue.sent:
        if message.receives > world.plan.max_receives:
            yield f"promise 3: {message.message_id} was received {message.receives} times"
        if message.expired and not message.deleted and not message.died:
            yield f"promise 3: {message.message_id} was on the queue for so long that SQS deleted it"
        elif not message.deleted and not message.died:
            yield f"promise 3: {message.message_id} is still on the queue"
        for upload in named_in(world, message.body):
            if not _is_settled(world, upload) and upload not in _dead(world):
                yield f"promise 3: {message.message_id} is gone, and upload {upload.number} has neither row nor dead letter"
    buried = Counter(dead.body for dead in world.dead_letters.sent)
    strays = Counter(message.body for message in world.queue.sent if is_stray(world, message))
    for body in strays - buried:
        yield f"promise 3: {strays[body]} times {body!r} was unreadable, and {buried[body]} times a dead letter"
    yield from _dead_letters_are_in_order(world)


def _dead_letters_are_in_order(world: World) -> Iterator[str]:
    sources = [
        dead.attributes["source_message_id"]["StringValue"] for dead in world.dead_letters.sent if dead.attributes
    ]
    for dead in world.dead_letters.sent:
        if dead.attributes and not dead.attributes["reason"]["StringValue"]:
            yield f"promise 3: the dead letter {dead.message_id} does not say why"
    disturbed = any(name.startswith("sqs.") or kind.startswith("killed") for name, kind in world.faults.struck)
    disturbed |= any(outage.service == "sqs" for outage in world.plan.outages)
    if not disturbed and len(sources) > len(set(sources)):
        yield f"promise 3: buried twice, and SQS was well: {sources}"


def check_after_the_redrive(world: World) -> None:
    """After the cause is gone and the dead letters are redriven, every upload whose event came has its row."""
    check(world)
    _raise(world, [f"promise 3: upload {upload.number} is a dead letter again" for upload in _dead(world)])


def _raise(world: World, broken: list[str]) -> None:
    if broken:
        raise Broken("\n".join([*broken, "", *world.faults.trace]))


def named_in(world: World, body: str) -> list[Uploaded]:
    """The uploads in a message, read without the pipeline's reader."""
    try:
        records = json.loads(body).get("Records", [])
    except ValueError:
        return []
    sent = [(record["s3"]["bucket"]["name"], record["s3"]["object"]) for record in records if record]
    return [
        world.witness.upload_of(f"s3://{bucket}/{unquote_plus(it['key'])}", it.get("versionId"), it["eTag"])
        for bucket, it in sent
    ]


def is_stray(world: World, message: Sent) -> bool:
    return not named_in(world, message.body) and "TestEvent" not in message.body


def _dead(world: World) -> list[Uploaded]:
    return [upload for dead in world.dead_letters.messages for upload in named_in(world, dead.body)]


def _is_last_that_exists(world: World, upload: Uploaded) -> bool:
    """Of the uploads that were not deleted for good; a delete marker on top of them is no upload."""
    exist = [it.version_id for it in world.s3.buckets[INPUT].get(upload.image.key, []) if it.data is not None]
    return exist[-1:] == [upload.image.version_id]


def _is_settled(world: World, upload: Uploaded) -> bool:
    """It has a row, or a later upload of the same image does, or it is there no more."""
    rows = world.witness.rows.items()
    gone = upload.image.version_id in world.witness.deleted and upload.number in world.witness.done_at_s
    return gone or any(image == upload.image.uri and row.number >= upload.number for (image, _), row in rows)


def check_outages(world: World) -> None:
    """Promise 4: while the server was down and nothing else went wrong, no image lost its retries, and soon after all are done."""
    broken = [f"promise 4: {dead.message_id} is a dead letter" for dead in world.dead_letters.sent]
    last = max(world.plan.outages, key=lambda outage: outage.to_s)
    patience_s = SOON_S + (world.plan.gate_lag_s or 0) + (0 if last.for_s >= BACK_OFFS_END_S else LONGEST_BACK_OFF_S)
    for upload in world.witness.uploads:
        done_s = world.witness.done_at_s.get(upload.number)
        since_s = max(upload.at_s, last.to_s)
        if done_s is None or done_s - since_s > patience_s:
            broken.append(
                f"promise 4: upload {upload.number} was done at {done_s} s, and the server was up at {since_s} s"
            )
    _raise(world, broken)


def check_candidate(world: World) -> None:
    """With nothing wrong but the candidate of a rollout, every message is done at its first receive."""
    broken = [
        f"rollout: {message.message_id} came {message.receives} times"
        for message in world.queue.sent
        if message.receives != 1
    ]
    _raise(world, broken + [f"rollout: {dead.message_id} is a dead letter" for dead in world.dead_letters.sent])


def check_neighbours(world: World) -> None:
    """Promise 5: with nothing wrong but images, every image that can be classified or rejected was, at its first receive.

    One that was in the same request as an image that the server died of, or hung on, was at its second receive: alone.
    """
    broken = []
    for message in world.queue.sent:
        uploads = named_in(world, message.body)
        troublesome = set() if world.plan.here else {"slow", "poison"}
        well = [upload for upload in uploads if upload.upload.content not in troublesome]
        harmed = world.server.in_bad_company & {upload.number for upload in well}
        for upload in well:
            receive = min(message.receives, 2 if upload.number in harmed else 1)
            late_s = world.witness.done_at_s.get(upload.number, float("inf")) - message.received_s[receive - 1]
            if late_s > AT_ONCE_S:
                broken.append(f"promise 5: upload {upload.number} was done {late_s:.1f} s after its receive {receive}")
        if uploads == well and message.receives > (2 if harmed else 1):
            broken.append(
                f"promise 5: {message.message_id} names no troublesome image, and came {message.receives} times"
            )
    _raise(world, broken)
