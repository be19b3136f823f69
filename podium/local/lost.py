"""What the stack should have and has no more, and what can be done about it.

damaged files of the embedded AWS -> their copies; without a copy, or when resources are gone -> everything anew, with the
objects that the buckets had
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from podium.connection import PARALLEL_REQUESTS, Connection
from podium.errors import ConsoleError
from podium.local import emulator
from podium.local.objects import SIDECAR, forget_gone, gone_objects, read_facts
from podium.local.state import find_damage, mend
from podium.project import ACCOUNT, HOME
from training.files import write_atomically

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackResourceDriftTypeDef

OnNote = Callable[[str], None]

LOST = "emulator-lost-"  # and the time: a folder of the home, with what there was before everything was made anew
PUT_BACK = "put-back"  # in it: its objects are in the buckets again
NAMED = 5  # resources in a sentence


class Lost(ConsoleError):
    """Something is lost; `mend`, if the person agrees, does what `offer` says."""

    def __init__(self, sentence: str, offer: str, mend: Callable[[], None]) -> None:
        super().__init__(f"{sentence} `podium up --yes` will {offer}.")
        self.sentence = sentence
        self.offer = offer
        self.mend = mend


class StoredObject(NamedTuple):
    """An object as the embedded AWS keeps it on disk."""

    key: str
    path: Path
    content_type: str
    metadata: dict[str, str]


def killed_sentence() -> str | None:
    """What is lost because the last emulator was killed; None if it was not."""
    if not emulator.was_killed():
        return None
    written = max((path.stat().st_mtime for path in emulator.STATE.glob("*.json")), default=None)
    since = (
        "everything"
        if written is None
        else f"what came after {datetime.fromtimestamp(written).astimezone():%Y-%m-%d %H:%M}"
    )
    return (
        f"the embedded AWS was killed, so {since} is lost of its rows, messages and settings; objects are not. "
        "Uploads without a row are found by an hourly look, once they are half an hour old, and classified; their batch is "
        "announced then. To have them now, drop them again."
    )


def check_state() -> None:
    """Raises Lost when files of a stopped emulator are damaged."""
    damages = find_damage(emulator.STATE, emulator.COPIES)
    if not damages:
        return
    sentence = f"of the embedded AWS' state in {emulator.STATE}, {'; '.join(map(str, damages))}."
    if any(damage.matters for damage in damages):
        raise _lost(sentence)
    aside = emulator.STATE.with_name(f"damaged-{_now()}")
    offer = f"put the copies in their place (what changed since is lost; the damaged ones go to {aside.name})"
    raise Lost(sentence, offer, lambda: mend(emulator.STATE, damages, aside))


def check_objects() -> None:
    """Raises Lost when objects of a stopped emulator are gone from the disk."""
    gone = gone_objects(emulator.STATE, emulator.BUCKETS / ACCOUNT)
    if gone:
        sentence = f"objects of the embedded AWS are gone from {emulator.BUCKETS}: {'; '.join(map(str, gone))}."
        offer = "go on without them (rows about them stay; to have images back, drop them again)"
        raise Lost(sentence, offer, lambda: forget_gone(emulator.STATE, gone))


def check_resources(connection: Connection) -> None:
    """Raises Lost when the deployed stack has resources that are gone, or buckets are there and their stack is not."""
    from botocore.exceptions import ClientError

    try:
        connection.cloudformation.detect_stack_drift(StackName=connection.stack)
    except ClientError:  # there is none, or its first deployment never ended
        if any(bucket["Name"].startswith(f"{connection.stack}-input-") for bucket in _buckets(connection)):
            raise _lost("the embedded AWS has the stack's buckets, and the stack itself no more.") from None
        return
    pages = connection.cloudformation.describe_stack_resource_drifts
    gone = pages(StackName=connection.stack, StackResourceDriftStatusFilters=["DELETED"])["StackResourceDrifts"]
    if gone:
        named = ", ".join(_named(resource) for resource in gone[:NAMED])
        more = f" and {len(gone) - NAMED} more" if len(gone) > NAMED else ""
        raise _lost(f"the embedded AWS has lost {named}{more}.")


def put_back_objects(connection: Connection, note: OnNote) -> None:
    """Put what the buckets had before everything was made anew into the new ones: the images are classified again."""
    for lost in sorted(HOME.glob(f"{LOST}*")):
        if (lost / PUT_BACK).exists():
            continue
        for bucket in (connection.facts.results_bucket, connection.facts.input_bucket):  # new results after the old
            _upload(connection, bucket, list(stored_objects(lost / "s3" / ACCOUNT / bucket)), note)
        write_atomically("", lost / PUT_BACK, private=True)


def stored_objects(bucket: Path) -> Iterator[StoredObject]:
    """The objects of a bucket's folder, as MiniStack 1.5.33 keeps them: the bytes, and facts in `.meta.json` beside."""
    for path in sorted(bucket.rglob("*")):
        if path.is_dir() or path.name.endswith(SIDECAR):
            continue
        facts = read_facts(path.with_name(f"{path.name}{SIDECAR}"))
        if not facts.get("is_delete_marker"):
            metadata = {name.removeprefix("x-amz-meta-"): value for name, value in facts.get("metadata", {}).items()}
            kind = facts.get("content_type") or "binary/octet-stream"
            yield StoredObject(facts.get("key", str(path.relative_to(bucket))), path, kind, metadata)


def _upload(connection: Connection, bucket: str, objects: Sequence[StoredObject], note: OnNote) -> None:
    def put(stored: StoredObject) -> None:
        facts: dict[str, Any] = {"ContentType": stored.content_type, "Metadata": stored.metadata}
        connection.s3.upload_file(str(stored.path), bucket, stored.key, ExtraArgs=facts)

    connection.s3  # noqa: B018 - made before the threads share it
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as uploads:
        for done, _ in enumerate(uploads.map(put, objects), 1):
            note(f"{done} of {len(objects)} objects are back in {bucket}")


def _lost(sentence: str) -> Lost:
    offer = (
        "make the stack anew, put the objects of its buckets back and have their images classified again "
        f"(rows and waiting messages begin from nothing; what is there now is kept in {HOME / LOST}...)"
    )
    return Lost(sentence, offer, _set_aside)


def _set_aside() -> None:
    emulator.stop()
    emulator.FOLDER.rename(HOME / f"{LOST}{_now()}")


def _buckets(connection: Connection) -> Sequence[Any]:
    return connection.s3.list_buckets()["Buckets"]


def _named(resource: StackResourceDriftTypeDef) -> str:
    kind = resource["ResourceType"].rpartition("::")[2].lower()
    return f"{kind} {resource.get('PhysicalResourceId', '').rpartition('/')[2].rpartition(':')[2]}"


def _now() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
