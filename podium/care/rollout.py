"""A rollout, as a person starts it, takes it on and ends it: every step is one write to the stack's ledger.

start: named -> found (server, or archive in the bucket) -> shadow -> some images again -> the candidate has answered
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from pipeline.contracts import ModelFacts
from pipeline.queue.orders import send
from pipeline.rollout.ledger import Changed
from pipeline.rollout.state import Rollout
from pipeline.settings import HTTP_URL
from podium.batches.results import RowFilter, find
from podium.care.reclassify import check_served, order_for
from podium.care.rollout_seen import Seen, look, rollouts_of
from podium.connection import Connection
from podium.errors import EXIT_USAGE, ConsoleError
from podium.published import FOLDER, SHA256, publish

BY_HAND = "person"
SETTLED_AFTER = timedelta(minutes=3)  # an alarm is raised anew only after it was well for a minute or two
ARCHIVES_TOGETHER_BYTES = 400 * 10**6  # of both models in one function: docs/rollout.md has the arithmetic


@dataclass(frozen=True)
class Wanted:
    """What the options of `podium rollout start` say."""

    candidate: ModelFacts
    archive: Path | None = None
    url: str | None = None
    share: float = 10
    steps: str = "5,25,50,100"
    most_disagreement: float = 0.2
    most_errors: float = 0.02
    least_compared: int = 100


def start(connection: Connection, wanted: Wanted, now: datetime) -> Rollout:
    """Begin with shadow. ConsoleError if a rollout is live, or the candidate is the stack's model or is not there."""
    facts, rollouts = connection.facts, rollouts_of(connection)
    before = rollouts.read()
    if before is not None and before.is_live and before.replaces == facts.model:
        raise ConsoleError(
            f"a rollout of {before.candidate.ref} is under way ({before.stage_name}): `podium rollout rollback` ends it."
        )
    ended_at = before.ended_at if before is not None else None
    if ended_at is not None and before is not None and before.ended_by != BY_HAND and now - ended_at < SETTLED_AFTER:
        left_s = (SETTLED_AFTER - (now - ended_at)).total_seconds()
        raise ConsoleError(
            f"an alarm rolled {before.candidate.ref} back just now, and is not armed again yet: wait {left_s:.0f} s."
        )
    if wanted.candidate.ref == facts.model:
        raise ConsoleError(
            f"{facts.model} is the stack's model already. Package the candidate under another version, so that rows tell "
            "them apart.",
            EXIT_USAGE,
        )
    rollout = _begun(wanted, facts.model, _where(connection, wanted), now)
    try:
        rollouts.write(rollout, before)
    except Changed as changed:
        raise ConsoleError(
            "somebody else has begun or changed a rollout just now: `podium rollout status`."
        ) from changed
    return rollout


def _begun(wanted: Wanted, current: str, where: dict[str, str], now: datetime) -> Rollout:
    try:
        rollout = Rollout(
            candidate_name=wanted.candidate.name,
            candidate_version=wanted.candidate.version,
            candidate_url=where.get("candidate_url"),
            archive_key=where.get("archive_key"),
            archive_version=where.get("archive_version"),
            archive_sha256=where.get("archive_sha256"),
            replaces=current,
            compared_share=wanted.share,
            steps=wanted.steps,
            most_disagreement=wanted.most_disagreement,
            most_errors=wanted.most_errors,
            least_compared=wanted.least_compared,
            started_at=now,
            stage_at=now,
        )
    except ValidationError as error:
        raise ConsoleError(
            f"--steps {wanted.steps!r} must be weights in per cent, such as 5,25,50,100.", EXIT_USAGE
        ) from error
    weights = rollout.weights
    if list(weights) != sorted(set(weights)) or weights[0] <= 0 or weights[-1] != 100:
        raise ConsoleError(f"--steps {wanted.steps}: weights must rise from above 0 to 100.", EXIT_USAGE)
    return rollout


def _where(connection: Connection, wanted: Wanted) -> dict[str, str]:
    """Where the functions find the candidate; ConsoleError if it is not there, as far as this machine can see."""
    if connection.facts.model_server_url is not None:
        if wanted.archive is not None:
            raise ConsoleError(
                "--archive is for a stack without a model server. Register the archive on the server, beside the other "
                "(docs/rollout.md), and name it.",
                EXIT_USAGE,
            )
        if wanted.url is not None and not re.fullmatch(HTTP_URL, wanted.url.rstrip("/")):
            raise ConsoleError(f"--url {wanted.url} must be http(s)://host[:port], as ModelServerUrl.", EXIT_USAGE)
        if wanted.url is None and connection.management_url is not None:
            check_served(connection.management_url, wanted.candidate)
        return {"candidate_url": wanted.url.rstrip("/")} if wanted.url else {}
    if wanted.url is not None:
        raise ConsoleError("--url is for a stack with a model server: here the function holds both models.", EXIT_USAGE)
    return _archive(connection, wanted)


def _archive(connection: Connection, wanted: Wanted) -> dict[str, str]:
    """The candidate's archive in the results bucket, uploaded if it is given; both models must fit into one function."""
    from botocore.exceptions import ClientError

    bucket, key = connection.facts.results_bucket, f"{FOLDER}{wanted.candidate.name}-{wanted.candidate.version}.mar"
    if wanted.archive is not None:
        named = publish(connection, wanted.archive)
        if (found := f"{named['ModelName']}@{named['ModelVersion']}") != wanted.candidate.ref:
            raise ConsoleError(f"{wanted.archive} is {found}, not {wanted.candidate.ref}.", EXIT_USAGE)
    try:
        head = connection.s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchKey"):
            raise
        raise ConsoleError(f"there is no s3://{bucket}/{key}: give the candidate's --archive NAME.mar.") from error
    if SHA256 not in head["Metadata"]:
        raise ConsoleError(f"s3://{bucket}/{key} was not uploaded by podium: give its --archive NAME.mar.")
    _check_room(connection, head["ContentLength"])
    return {
        "archive_key": key,
        "archive_version": head["VersionId"],
        "archive_sha256": head["Metadata"][SHA256],
    }


def _check_room(connection: Connection, candidate_bytes: int) -> None:
    current = connection.facts.model_archive
    if current is None:
        raise ConsoleError("the stack has no model to compare with: `podium deploy --archive NAME.mar` gives it one.")
    bucket, _, key = current.removeprefix("s3://").partition("/")
    both = candidate_bytes + connection.s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
    if both > ARCHIVES_TOGETHER_BYTES:
        raise ConsoleError(
            f"both archives together have {both / 1e6:.0f} MB, and one function has room for "
            f"{ARCHIVES_TOGETHER_BYTES / 1e6:.0f}. Deploy the candidate as a stack of its own, and compare there."
        )


def show_to_both(connection: Connection, rollout: Rollout, images: int) -> int:
    """Put images that the current model has classified on the queue again, for both models to see; how many.

    What waits on the queue also wakes a model server that has scaled to zero. Images of a bucket that the functions may no
    longer read are left out: they would end as dead letters.
    """
    readable = {connection.facts.input_bucket, connection.parameters.get("ExistingBucket")}
    found = find(connection, RowFilter(status="classified", limit=20 * images), count_to=0)
    own = [row for row in found.rows if row.model == rollout.replaces and _bucket_of(row.image) in readable][:images]
    again = {"sender": "rollout", "model": None}
    orders = [order_for(row, rollout.candidate).model_copy(update=again) for row in own]
    return send(orders, connection.sqs, connection.facts.queue_url)


def _bucket_of(image: str) -> str:
    return image.removeprefix("s3://").partition("/")[0]


def promote(connection: Connection, *, to: float | None, untested: bool, now: datetime) -> Rollout:
    """Take the live rollout to its next weight, or `to` one; after 100 %, note that a deployment made it permanent.

    ConsoleError if too few images were compared in this stage (unless `untested`), or the candidate is beyond its limits.
    """
    seen = _live(connection)
    rollout = seen.rollout
    if seen.is_permanent:
        return _write(connection, rollout, stage="promoted", ended_at=now, ended_by=BY_HAND, stage_at=now)
    weight = to if to is not None else rollout.next_weight
    if weight is None:
        raise ConsoleError(
            f"{rollout.candidate.ref} answers all images already. A deployment makes that permanent: "
            f"{how_to_deploy(connection, rollout)}, and then `podium rollout promote` again ends the rollout."
        )
    if not rollout.weight < weight <= 100:
        raise ConsoleError(
            f"--to {weight:g} is not above {rollout.weight:g}: a rollout only goes on; `podium rollout rollback` ends it.",
            EXIT_USAGE,
        )
    if seen.broken:
        raise ConsoleError(f"{'; '.join(seen.broken)}: {rollout.candidate.ref} goes no further. Roll it back.")
    if seen.lacking and not untested:
        raise ConsoleError(
            f"{seen.tally.compared} images were compared in this stage, and {rollout.least_compared} are to be before the "
            "next: wait, drop more images, or add --untested."
        )
    return _write(connection, rollout, stage="weights", weight=weight, stage_at=now)


def roll_back(connection: Connection, reason: str, now: datetime) -> Rollout:
    """End the live rollout: within half a minute, no function asks its candidate any more."""
    rollout = _live(connection).rollout
    rollouts_of(connection).roll_back(by=BY_HAND, reason=reason, at=now, noticed_at=now)
    return rollout


def how_to_deploy(connection: Connection, rollout: Rollout) -> str:
    """The command that makes the candidate the stack's model."""
    stack = "" if connection.local else f" --stack {connection.stack}"
    if connection.facts.model_server_url is None:
        return f"`podium deploy{stack} --archive {rollout.candidate.name}.mar` (version {rollout.candidate.version})"
    url = f" --model-server-url {rollout.candidate_url}" if rollout.candidate_url else ""
    return f"make {rollout.candidate.version} the default version on the server, and at once `podium deploy{stack} --model {rollout.candidate.ref}{url}`"


def _live(connection: Connection) -> Seen:
    seen = look(connection, samples=0)
    if seen is None or not seen.rollout.is_live:
        raise ConsoleError("no rollout is under way: `podium rollout start NAME@VERSION` begins one.")
    return seen


def _write(connection: Connection, rollout: Rollout, **changes: object) -> Rollout:
    changed = rollout.model_copy(update=changes)
    try:
        rollouts_of(connection).write(changed, rollout)
    except Changed as stale:
        raise ConsoleError("the rollout was changed or ended just now: `podium rollout status`.") from stale
    return changed
