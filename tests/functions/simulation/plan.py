"""What happens in one world, decided before it begins: a record that prints, shrinks and can be run again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# `cut`: the model server rejects it; `slow`: the server takes longer than it may; `poison`: the server dies of it,
# and of every request that it is a part of.
Content = Literal["good", "text", "empty", "huge", "cut", "slow", "poison"]
BAD: tuple[Content, ...] = ("text", "empty", "huge", "cut")  # no model can look at them: a verdict, at once

# What befalls one effect. `lost`: it took place and the caller got an error; `twice`: the client's own second
# try, after a first one whose response was lost; `stalled`: it takes 70 s, longer than the function may live.
Kind = Literal["refused", "lost", "twice", "killed before", "killed after", "stalled"]
KINDS: tuple[Kind, ...] = ("refused", "lost", "twice", "killed before", "killed after", "stalled")

Service = Literal["server", "candidate", "s3", "dynamodb", "sqs"]
# How the model server is down: no connection, 503, no answer in time, nonsense with 200, 404, 403, 400 without a reason.
Mood = Literal["refuses", "busy", "hangs", "garbled", "unregistered", "forbidden", "confused"]
# Many images in one request: answered, or refused as no image, or as too large.
Many = Literal["taken", "refused", "too large"]
MANY: tuple[Many, ...] = ("taken", "refused", "too large")
MOODS: tuple[Mood, ...] = ("refuses", "busy", "hangs", "garbled", "unregistered", "forbidden", "confused")


@dataclass(frozen=True)
class Upload:
    """An object is created, so many seconds after what happened before; each of its events comes so many seconds later."""

    key: str = "incoming/a/1.jpg"
    content: Content = "good"
    after_s: float = 0.0
    events_after_s: tuple[float, ...] = (0.0,)  # none: S3 lost the event
    sequencer_tail: str = ""  # S3's sequencers have no fixed length
    with_the_one_before: bool = False  # its message names the upload before it, too


@dataclass(frozen=True)
class Delete:
    """The newest version of the key gets a delete marker, or is deleted for good."""

    key: str = "incoming/a/1.jpg"
    after_s: float = 0.0
    for_good: bool = False


@dataclass(frozen=True)
class Stray:
    """A message that names no upload."""

    body: str
    after_s: float = 0.0


@dataclass(frozen=True)
class Rollout:
    """From now on the model server answers with this version."""

    version: str
    after_s: float = 0.0


@dataclass(frozen=True)
class Backfill:
    """A person has the whole bucket looked through, as it is now, and images without a row put on the queue."""

    after_s: float = 0.0


@dataclass(frozen=True)
class Step:
    """A person takes the one rollout to its next stage, or it is rolled back; the candidate is balls@2.0."""

    weight: float | None = 0.0  # per cent that the candidate answers; 0 is shadow, None the end
    after_s: float = 0.0


Action = Upload | Delete | Stray | Rollout | Backfill | Step


@dataclass(frozen=True)
class Fault:
    """The nth time (from 0) that this effect is about to take place, this happens instead."""

    effect: str
    nth: int
    kind: Kind


@dataclass(frozen=True)
class Outage:
    """A service refuses everything for a while."""

    service: Service
    from_s: float
    for_s: float
    mood: Mood = "busy"  # of the model server

    @property
    def to_s(self) -> float:
        return self.from_s + self.for_s


@dataclass(frozen=True)
class Plan:
    """Everything that is left to chance in one world."""

    actions: tuple[Action, ...] = (Upload(),)
    faults: tuple[Fault, ...] = ()
    outages: tuple[Outage, ...] = ()
    turns: tuple[int, ...] = ()  # who goes on, whenever several could
    jitter: tuple[float, ...] = (0.0,)  # of the back-off, in turn
    batch_size: int = 3
    concurrency: int = 2
    max_receives: int = 10
    many: Many = "taken"
    gate_lag_s: float | None = None  # how long the gate's changes take; None: there is no gate
    reconcile: bool = False
    pause_above: int = 1000  # messages, of a backfill
    lines: bool = False  # results lie many in one object
    here: bool = False  # the function itself holds the model; an outage of the server is an archive that does not load
    first_tick_s: float = 30.0  # of the gate, and then every minute
