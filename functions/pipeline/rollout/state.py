"""A rollout: a candidate beside the configured model, and how much of the traffic it gets. One item of the ledger. No I/O.

shadow (the candidate is only compared) -> weights (it answers so many per cent) -> promoted, or rolled back at any time
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from pipeline.contracts import ImageRef, LedgerItem, ModelFacts, stamp

Stage = Literal["shadow", "weights", "promoted", "rolled_back"]
Percent = Annotated[float, Field(ge=0, le=100)]
Share = Annotated[float, Field(ge=0, le=1)]
STEPS: tuple[float, ...] = (5, 25, 50, 100)
_TEXT_OF_STEPS = r"^\d+(\.\d+)?(,\d+(\.\d+)?)*$"


class Rollout(LedgerItem):
    """One rollout, as the ledger keeps it; the newest is the only one."""

    candidate_name: str
    candidate_version: str
    candidate_url: str | None = None  # of another server than the stack's
    archive_key: str | None = None  # of a function that holds its models: the candidate's archive in the results bucket
    archive_version: str | None = None
    archive_sha256: str | None = None
    replaces: str  # name@version that was configured when it began
    stage: Stage = "shadow"
    weight: Percent = 0  # of the images, which the candidate answers
    compared_share: Percent = 10  # of the images, which both classify
    steps: Annotated[str, Field(pattern=_TEXT_OF_STEPS)] = ",".join(f"{it:g}" for it in STEPS)
    most_disagreement: Share = 0.2
    most_errors: Share = 0.02
    least_compared: Annotated[int, Field(ge=0)] = 100  # images in a stage, before the next
    started_at: AwareDatetime
    stage_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    ended_by: str | None = None  # an alarm's name, or `person`
    reason: str | None = None

    @property
    def candidate(self) -> ModelFacts:
        """The model that is tried."""
        return ModelFacts(name=self.candidate_name, version=self.candidate_version)

    @property
    def is_live(self) -> bool:
        """Whether the candidate classifies any image."""
        return self.stage in {"shadow", "weights"}

    @property
    def id(self) -> str:
        """What tells it from every other rollout."""
        return f"{self.candidate.ref}/{stamp(self.started_at)}"

    @property
    def stage_name(self) -> str:
        """`shadow`, or the weight: `25`."""
        return f"{self.weight:g}" if self.stage == "weights" else self.stage

    @property
    def weights(self) -> tuple[float, ...]:
        """The weights that it is to go through."""
        return tuple(map(float, self.steps.split(",")))

    @property
    def next_weight(self) -> float | None:
        """The weight after this one; None after the last."""
        return min((it for it in self.weights if it > self.weight), default=None)

    def answers(self, image: ImageRef) -> bool:
        """Whether the image is one of those that the candidate answers; always the same ones, and more with each weight."""
        return self.stage == "weights" and _place_of(self, image, "answered") < self.weight

    def compares(self, image: ImageRef) -> bool:
        """Whether both models classify the image."""
        return self.is_live and _place_of(self, image, "compared") < self.compared_share


def _place_of(rollout: Rollout, image: ImageRef, purpose: str) -> float:
    """A place in [0, 100) that only the upload and the rollout decide, so that whoever is handed the image decides alike.

    By the etag first: a backfilled image has no version.
    """
    name = f"{rollout.id}\n{purpose}\n{image.uri}\n{image.etag or image.version_id}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7]) * 100 / 2**56
