"""The files of an engine, as model.json names them: what it loads instead of the weights, and with what it may compute."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from inference.archive.documents import Document
from inference.archive.errors import AGAIN, ModelRefused, short

ENGINES = {"openvino": ".xml", "aotinductor": ".pt2"}  # and how the name of the file ends that they load
MOST_PARTS = 64  # files of one engine, abilities of a CPU
SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_ABILITY = re.compile(r"[A-Za-z0-9_. ]{1,64}")

Precision = Literal["fp32", "bf16", "int8"]
PRECISIONS: dict[str, Precision] = {"fp32": "fp32", "bf16": "bf16", "int8": "int8"}


@dataclass(frozen=True)
class EngineFile:
    """What an engine loads instead of the weights: the first file, in one of the precisions. Training writes it."""

    engine: str
    precisions: tuple[Precision, ...]
    files: dict[str, str]  # names and their SHA-256
    processor: frozenset[
        str
    ]  # what the CPU must be able to do, in torch.cpu's words, or the GPU's generation (`sm_89`)
    agreement: float | None = None  # int8: share of held-out photos for which it names the class that fp32 names
    held_out: int | None = None  # how many these were


def engine_file_of(entry: Document) -> EngineFile:
    """An entry of `engines`. Raises ModelRefused if it is none that this Podium knows."""
    engine = entry.field("engine", str)
    if engine not in ENGINES:
        raise ModelRefused(
            f"{entry.name}.engine is {short(engine)}, expected one of {', '.join(ENGINES)}.",
            "Update Podium, or package the model again.",
        )
    files = entry.field("files", dict)
    digests = [it for it in files.values() if isinstance(it, str) and SHA256.fullmatch(it)]
    if not 1 <= len(files) <= MOST_PARTS or len(digests) < len(files):
        raise entry.wrong("files", "the names of files, each with its SHA-256")
    for number, name in enumerate(files):
        file_name(entry, name, "" if number else ENGINES[engine])
    return EngineFile(
        engine=engine,
        precisions=_precisions(entry),
        files=files,
        processor=_processor(entry) if entry.has("processor") else frozenset(),
        agreement=entry.number("agreement", least=0, most=1) if entry.has("agreement") else None,
        held_out=int(entry.number("held_out", least=0, most=2**53)) if entry.has("held_out") else None,
    )


def file_name(document: Document, name: str, ending: str = "") -> str:
    """The name of a file that a document names. Raises ModelRefused unless it lies in the archive itself."""
    if not _FILE.fullmatch(name) or not name.endswith(ending):
        raise ModelRefused(
            f"{document.name} names the file {short(name)}, expected one that lies in the archive itself"
            f"{f' and ends with {ending}' if ending else ''}.",
            AGAIN,
        )
    return name


def _precisions(entry: Document) -> tuple[Precision, ...]:
    words = entry.field("precisions", list)
    found = tuple(PRECISIONS[word] for word in words if isinstance(word, str) and word in PRECISIONS)
    if not words or len(found) < len(words) or len(set(found)) < len(found):
        raise entry.wrong("precisions", f"some of {', '.join(PRECISIONS)}, each of them once")
    return found


def _processor(entry: Document) -> frozenset[str]:
    words = entry.field("processor", list)
    found = frozenset(word for word in words if isinstance(word, str) and _ABILITY.fullmatch(word))
    if len(words) > MOST_PARTS or len(found) < len(words):
        raise entry.wrong("processor", "a list of what a CPU must be able to do, in words")
    return found
