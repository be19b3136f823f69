"""The processes that train together."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.training.test_processes import environment

pytestmark = pytest.mark.torch

PRINT_WORLD = """
from torch import distributed
from training.processes import joined
with joined("cpu") as (world, _):
    patience = distributed.group.WORLD._get_backend(__import__("torch").device("cpu")).options._timeout
    print(f"{world.size} wait for {patience}")  # in one piece: both write to one pipe
"""


def test_the_others_wait_for_hours_while_the_leading_process_decodes() -> None:
    """torch's own time-out is 10 minutes on GPUs, and 30 on CPUs."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
    answer = subprocess.run(
        [*launch, sys.executable, "-c", PRINT_WORLD], capture_output=True, text=True, check=False, timeout=120,
        env=environment(),
    )  # fmt: skip
    assert answer.stdout.count("2 wait for 1 day, 0:00:00") == 2, answer.stderr
