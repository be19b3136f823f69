"""The page of results: counts by format and outcome, what is refused, and what was odd."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import groupby
from typing import NamedTuple

from benchmarks.pictures.comparing import OUTCOMES, Compared
from benchmarks.pictures.kinds import Kind
from benchmarks.pictures.mutating import Mutated

PACKAGES = ("pillow", "simplejpeg", "pi-heif", "pyvips-binary", "opencv-python-headless", "tifffile", "imagecodecs")
USUAL = ("LZW", "PackBits", "deflate", "Zstandard", "LZMA")  # compressions that are not why a TIFF is refused
DAMAGED = ("as both", "as one", "alone", "refused", "wrong", "uncaught", "crashed")


class Found(NamedTuple):
    """A kind of file, and what became of it."""

    kind: Kind
    compared: Compared


def page(
    whole: Sequence[Found], damaged: Sequence[Mutated], command: str, facts: Mapping[str, object], date: str
) -> str:
    """The page as Markdown."""
    return "\n".join([*_head(command, facts, date), *_whole(whole), *_refused(whole), *_damaged(damaged)]) + "\n"


def _head(command: str, facts: Mapping[str, object], date: str) -> Iterator[str]:
    yield from (
        "# Pictures: read as other decoders read them, or refused",
        "",
        f"Machine: {facts['cores']} cores of {facts['cpu']}, {facts['memory_gib']} GiB, {facts['system']}. {date}.",
        f"Versions: {', '.join(f'{name} {version(name)}' for name in PACKAGES)}.",
        "",
        "```",
        command,
        "```",
        "",
        "Every file is made by code from a known picture, and read by `inference/images`, by libvips and by OpenCV. What counts",
        "as black and white is in [pictures](../pictures.md).",
        "",
    )


def _whole(whole: Sequence[Found]) -> Iterator[str]:
    yield from (
        "## Whole files",
        "",
        "*As both*: the stored picture, and both others agree. *As one*: one of them does; the other refuses it or reads",
        "it otherwise. *As stored*: neither does, as of signed greys, which both cut off, and of HEIC, which neither reads.",
        "",
        f"| format | kinds | {' | '.join(OUTCOMES)} |",
        f"|---|---|{'---|' * len(OUTCOMES)}",
    )
    for form, some in groupby(whole, key=lambda found: found.kind.form):
        counts = Counter(found.compared.outcome for found in some)
        yield f"| {form} | {counts.total()} | {' | '.join(_count(counts[outcome]) for outcome in OUTCOMES)} |"
    counts = Counter(found.compared.outcome for found in whole)
    yield f"| **all** | {counts.total()} | {' | '.join(_count(counts[outcome]) for outcome in OUTCOMES)} |"
    yield ""
    wrong = [f"{found.kind.form}: {found.kind.name}" for found in whole if found.compared.outcome == "wrong"]
    yield f"Wrong: {'; '.join(wrong) or 'none'}."
    yield ""


def _refused(whole: Sequence[Found]) -> Iterator[str]:
    yield from (
        "## Kinds that are refused",
        "",
        "With a sentence that names them, never as damaged. *Alike*: both others read these files, and alike.",
        "",
        "| the sentence names | files | alike |",
        "|---|---|---|",
    )
    refused: dict[str, list[Compared]] = {}
    for found in whole:
        if found.compared.outcome == "refused":
            named = re.sub(r"This is (.*), a kind that is not read here.*", r"\1", found.compared.refusal)
            named = re.sub(f", ({'|'.join(USUAL)}) inside", "", named)
            refused.setdefault(named, []).append(found.compared)
    for named, some in sorted(refused.items()):
        yield f"| {named} | {len(some)} | {sum(one.others_agree for one in some)} |"
    yield ""


def _damaged(damaged: Sequence[Mutated]) -> Iterator[str]:
    yield from (
        "## Damaged files",
        "",
        "One to six bytes changed, half of them in the first 600, and of every third file the end cut off; PNGs in part with",
        "checksums that are right again. *Alone*: read here, and the others refuse it or do not agree. *Wrong*: both others",
        "agree, and it is read otherwise here. *Uncaught*: anything raised but the rejection. A HEIC over which its library",
        "crashes is refused: it is decoded in a process of its own. *Crashed* is the reader itself.",
        "",
        f"| format | files | {' | '.join(DAMAGED)} |",
        f"|---|---|{'---|' * len(DAMAGED)}",
    )
    for one in damaged:
        counts = " | ".join(_count(one.outcomes[outcome]) for outcome in DAMAGED)
        yield f"| {one.form} | {one.outcomes.total():,} | {counts} |"
    odd = [words for one in damaged for words in one.odd]
    yield ""
    yield f"Odd: {'; '.join(odd) or 'none'}."


def _count(number: int) -> str:
    return f"{number:,}"
