"""The end of the demo: where its results are, and what to try next."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from podium.connection import StackFacts


def farewell(facts: StackFacts, batch: str, photos: Path, seconds: float) -> str:
    """Where everything is that the demo made, and three commands to go on with."""
    return (
        f"\nDone in {seconds:.0f} s. Everything keeps running:\n"
        f"  results as JSON  s3://{facts.results_bucket}/results/incoming/{batch}/\n"
        f"  rows             table {facts.table} at {facts.endpoint_url}\n"
        f"  model            {facts.model} at {facts.model_server_url}\n"
        "\nTry next:\n"
        '  .venv/bin/podium results --label "tennis ball" --min 0.5\n'
        f"  .venv/bin/podium drop {shlex.quote(os.path.relpath(photos))} --batch mine --wait\n"
        "  .venv/bin/podium down"
    )
