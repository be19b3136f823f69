"""The Dockerfile as its instructions, for tests that hold it to its rules and run its steps without Docker."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "model_server" / "Dockerfile"


@dataclass(frozen=True)
class Dockerfile:
    """Its instructions, in their order: a name in capitals, and what stands behind it in one line."""

    instructions: tuple[tuple[str, str], ...]

    def of(self, name: str) -> list[str]:
        """What stands behind every instruction of this name."""
        return [words for found, words in self.instructions if found == name]


def read_dockerfile() -> Dockerfile:
    """The project's own. Here-documents and parser directives are not known; hadolint reads it as Docker does."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    instructions = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return Dockerfile(tuple((name.upper(), words) for name, words in instructions))
