"""What the embedded AWS keeps between two starts: looked through before each, with a copy of the last that was whole.

MiniStack writes a file for each service when it ends. One that it cannot read it leaves out, and says so in its log only.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from training.files import replacing

CODE = "lambda-blobs"  # the functions' zips, named by their SHA-256
QUEUES = "sqs.json"
FUNCTIONS = "lambda.json"  # names the code of each function
OURS = frozenset({  # the services that template.yaml uses; the other files hold nothing of ours
    "cloudformation", "cloudwatch", "cloudwatch_logs", "dynamodb", "eventbridge", "iam", "lambda", "s3", "sns", "sqs",
    "stepfunctions",
})  # fmt: skip


class Damage(NamedTuple):
    """A file that cannot be read, and the copy that can take its place."""

    name: str  # below the folder of the state
    why: str
    copy: Path | None

    @property
    def matters(self) -> bool:
        """Whether the stack cannot be without it."""
        return self.copy is None and (self.name.startswith(CODE) or self.name.removesuffix(".json") in OURS)

    def __str__(self) -> str:
        written = "" if self.copy is None else f" (there is a copy of {_written_at(self.copy)})"
        return f"{self.name} {self.why}{written}"


def find_damage(state: Path, copies: Path) -> list[Damage]:
    """The files that cannot be read, or that are gone and have a copy."""
    functions = next((it for it in (state / FUNCTIONS, copies / FUNCTIONS) if _trouble(it) is None), None)
    code = functions.read_text(encoding="utf-8") if functions else ""
    names = {*_names(state), *(name for name in _names(copies) if _is_wanted(name, code))}
    found = ((name, _trouble(state / name)) for name in sorted(names))
    return [Damage(name, why, copies / name if _trouble(copies / name) is None else None) for name, why in found if why]


def keep_copy(state: Path, copies: Path) -> None:
    """Copy a state that is whole; the copy appears at once or not at all."""
    if not _names(state) or find_damage(state, copies):
        return
    draft, old = copies.with_name(f"{copies.name}.part"), copies.with_name(f"{copies.name}.old")
    for folder in (draft, old):
        shutil.rmtree(folder, ignore_errors=True)
    for name in _names(state):
        (draft / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(state / name, draft / name)
    if copies.exists():
        copies.rename(old)
    draft.rename(copies)
    shutil.rmtree(old, ignore_errors=True)


def mend(state: Path, damages: list[Damage], aside: Path) -> None:
    """Put the copies in the places of damaged files, which are kept in `aside`."""
    for damage in damages:
        (aside / damage.name).parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            (state / damage.name).replace(aside / damage.name)
        if damage.copy is not None:
            with replacing(state / damage.name) as draft:
                shutil.copy2(damage.copy, draft)


def port_of_queues(state: Path) -> int | None:
    """The port in the URLs of the queues; None if there are none, or their file cannot be read."""
    if _trouble(state / QUEUES) is not None:
        return None
    queues = json.loads((state / QUEUES).read_bytes()).get("payload", {}).get("queue_name_to_url", {}).get("data", {})
    return next((port for url in queues.values() if (port := urlsplit(url).port)), None)


def forget_stream_positions(state: Path) -> None:
    """Let the mappings read streams from their beginning.

    MiniStack 1.5.33 keeps a mapping's position in a DynamoDB stream, and not the stream: after a restart it would skip as
    many new records as it had read before.
    """
    if not state.exists():
        return
    document = json.loads(state.read_bytes())
    if document.get("payload", {}).pop("dynamodb_stream_positions", None) is not None:
        with replacing(state) as draft:
            draft.touch(mode=0o600)
            draft.write_text(json.dumps(document), encoding="utf-8")


def _names(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for pattern in ("*.json", f"{CODE}/*.zip") for path in folder.glob(pattern)]


def _is_wanted(name: str, functions: str) -> bool:
    """Whether it must be there; code that no function has any more need not."""
    return not name.startswith(CODE) or Path(name).stem in functions


def _trouble(path: Path) -> str | None:
    """Why the file cannot be used; None if it can."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return "is gone"
    if not content:
        return "is empty"
    if path.suffix == ".zip":
        return None if hashlib.sha256(content).hexdigest() == path.stem else "is not the code that it was"
    try:
        return None if isinstance(json.loads(content), dict) else "holds no state"
    except ValueError:
        return f"is cut off or overwritten ({len(content):,} bytes)"


def _written_at(path: Path) -> str:
    return f"{datetime.fromtimestamp(path.stat().st_mtime).astimezone():%Y-%m-%d %H:%M}"
