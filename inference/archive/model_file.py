"""`model.json`: the training's record of the model in this archive, checked field by field."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.archive.documents import Document, read_at_most
from inference.archive.engine_files import SHA256, EngineFile, engine_file_of, file_name
from inference.archive.errors import AGAIN, ModelRefused, short
from inference.archive.labels import check_labels
from inference.archive.model_args import check_model_args
from inference.archive.preprocessing import FIELDS, check_preprocessing

MODEL_FILE = "model.json"
SCHEMA_VERSION = "1.0"
HOTTEST = 1000.0  # temperature; training's lies between 0.05 and 20
MOST_ENGINES = 8

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")  # the archiver's own rule
VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,2}")
_ARCHITECTURE = re.compile(r"[A-Za-z0-9_]{1,99}(\.[A-Za-z0-9_]{1,99})?")  # timm's name, perhaps with a tag


@dataclass(frozen=True)
class ModelFile:
    """What a reader needs of `model.json` to answer; training writes it, with more facts for people."""

    name: str
    version: str
    architecture: str  # timm's name
    model_args: dict[str, Any]  # further arguments of timm.create_model
    weights_file: str
    weights_sha256: str
    classes: tuple[str, ...]  # in the order of the logits
    preprocessing: dict[str, Any]  # arguments of timm.data.create_transform
    temperature: float  # the logits are divided by it before the softmax
    uncertainty_threshold: float  # a best probability under it makes the answer uncertain
    target_accuracy: float  # of the answers over the threshold, on validation
    engines: tuple[EngineFile, ...]


def read_model_file(folder: Path, *, packaged: bool = True) -> ModelFile:
    """The `model.json` of an unpacked archive, or of a run folder. Raises ModelRefused if it is missing or wrong."""
    return model_of(Document.parsed(read_at_most(folder / MODEL_FILE), MODEL_FILE), packaged=packaged)


def model_of(document: Document, *, packaged: bool = True) -> ModelFile:
    """The record in a document. Raises ModelRefused if a field is missing, or is not what it may be.

    A model that is not packaged yet has neither name nor version: they are empty here.
    """
    _check_schema_version(document)
    labels: list[str] = _checked(document, "classes", list, check_labels)
    preprocessing = _checked(document, "preprocessing", dict, check_preprocessing)
    return ModelFile(
        name=document.text("name", NAME, "letters, digits, dots, dashes and underscores") if packaged else "",
        version=document.text("version", VERSION, "numbers with dots, such as 1.0") if packaged else "",
        architecture=document.text("architecture", _ARCHITECTURE, "the name of a network, such as resnet18"),
        model_args=_checked(document, "model_args", dict, check_model_args),
        weights_file=file_name(document, document.field("weights.file", str), ".safetensors"),
        weights_sha256=document.text("weights.sha256", SHA256, "64 hexadecimal digits"),
        classes=tuple(labels),
        preprocessing={key: preprocessing[key] for key in FIELDS},
        temperature=document.number("temperature", least=1 / HOTTEST, most=HOTTEST),
        uncertainty_threshold=document.number("uncertainty.threshold", least=0, most=1),
        target_accuracy=document.number("uncertainty.target_accuracy", least=0, most=1),
        engines=tuple(_engines(document)) if "engines" in document.content else (),  # the first archives had none
    )


def _check_schema_version(document: Document) -> None:
    version = document.field("schema_version", str)
    if version == SCHEMA_VERSION:
        return
    newer = VERSION.fullmatch(version) and _numbers(version) > _numbers(SCHEMA_VERSION)
    action = "Update Podium, or package the model again with this one." if newer else AGAIN
    raise ModelRefused(
        f"{document.name} has schema_version {short(version)}, this Podium reads {SCHEMA_VERSION!r}.", action
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _checked[Kind](document: Document, path: str, kind: type[Kind], check: Callable[[Kind], None]) -> Kind:
    value = document.field(path, kind)
    try:
        check(value)
    except ValueError as error:
        raise ModelRefused(f"{document.name}: {str(error).rstrip('.')}.", AGAIN) from error
    return value


def _engines(document: Document) -> Iterator[EngineFile]:
    entries = document.field("engines", list)
    if len(entries) > MOST_ENGINES:
        raise document.wrong("engines", f"{MOST_ENGINES} at most")
    for number, entry in enumerate(entries):
        yield engine_file_of(Document(entry, f"{document.name}: engines[{number}]"))
