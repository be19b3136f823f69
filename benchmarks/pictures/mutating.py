"""Damaged pictures: some bytes changed, or the end cut off; in a process of their own, for a C library may crash."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 500  # files for one process
HEAD = 600  # bytes, of which as many are changed as of all the rest
CHANGES = 6
PNG = b"\x89PNG\r\n\x1a\n"


class Mutated(NamedTuple):
    """What became of the damaged files of one format."""

    form: str
    outcomes: Counter[str]
    odd: list[str]  # what was wrong or crashed, as `seed kind: outcome`


def damaged(data: bytes, seed: int) -> bytes:
    """A copy with up to six other bytes, and, of every third, without its end; always the same for one seed."""
    numbers = random.Random(seed)  # noqa: S311 - damage, not secrets
    changed = bytearray(data)
    for _ in range(numbers.randint(1, CHANGES)):
        end = min(HEAD, len(changed)) if numbers.random() < 0.5 else len(changed)
        changed[numbers.randrange(end)] = numbers.randrange(256)
    cut = bytes(changed[: numbers.randrange(len(changed))] if numbers.random() < 1 / 3 else changed)
    return with_checksums(cut) if numbers.random() < 0.5 else cut


def with_checksums(data: bytes) -> bytes:
    """A PNG whose chunks have the checksums of what is in them now, so that more of its damage is read."""
    if not data.startswith(PNG):
        return data
    pieces, place = [PNG], len(PNG)
    while place + 12 <= len(data):
        end = min(len(data), place + 12 + int.from_bytes(data[place : place + 4]))
        content = data[place + 4 : end - 4]
        pieces.append(data[place : place + 4] + content + zlib.crc32(content).to_bytes(4))
        place = end
    return b"".join([*pieces, data[place:]])


def mutate(form: str, count: int, first_seed: int = 0) -> Mutated:
    """Damage `count` files of one format, and compare how they are read."""
    outcomes: Counter[str] = Counter()
    odd: list[str] = []
    for seed in range(first_seed, first_seed + count, AT_ONCE):
        some = min(AT_ONCE, first_seed + count - seed)
        done = list(_in_a_process(form, seed, some))
        outcomes.update(outcome for outcome, _ in done)
        odd += [words for outcome, words in done if outcome in ("wrong", "uncaught")]
        if len(done) < some:
            outcomes["crashed"] += 1
            odd.append(f"{form} {seed + len(done)}: crashed")
    return Mutated(form, outcomes, odd)


def _in_a_process(form: str, seed: int, count: int) -> Iterator[tuple[str, str]]:
    run = [sys.executable, "-W", "ignore", "-m", "benchmarks.pictures.one_process", form, str(seed), str(count)]
    limited = os.environ | {"OPENCV_IO_MAX_IMAGE_PIXELS": "4000000"}
    done = subprocess.run(run, cwd=ROOT, env=limited, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        outcome, words = json.loads(line)
        yield outcome, words
