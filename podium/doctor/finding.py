"""One thing that was looked at: what was found, why it matters, and the command that mends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Part = Literal["machine", "account", "gpu"]  # this machine; AWS in both shapes; AWS for the GPU path alone


@dataclass(frozen=True)
class Finding:
    """`mend` is None if there is nothing to do; else a command, or the sentence that says what to do."""

    part: Part
    subject: str
    found: str
    why: str
    mend: str | None = None

    @property
    def is_well(self) -> bool:
        """Whether there is nothing to mend."""
        return self.mend is None
