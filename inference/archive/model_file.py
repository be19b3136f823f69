"""`model.json`: the training's record of the model in this archive, checked field by field."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

SCHEMA_VERSION = "1.0"
ENGINES = ("openvino", "aotinductor")  # those that need files of their own
PRECISIONS = ("fp32", "bf16", "int8")
PREPROCESSING = ("input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std")


class ModelRefused(Exception):
    """This archive cannot be served: the sentence says what is wrong with it and what to do."""


@dataclass(frozen=True)
class EngineFile:
    """What an engine loads instead of the weights: the first file, in one of the precisions. Training writes it."""

    engine: str
    precisions: tuple[Literal["fp32", "bf16", "int8"], ...]
    files: dict[str, str]  # names and their SHA-256
    processor: frozenset[str]  # what the CPU must be able to do, in the words of torch.cpu


@dataclass(frozen=True)
class ModelFile:
    """What the model server needs of `model.json`; training writes it, with more facts for people."""

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


def read_model_file(folder: Path) -> ModelFile:
    """The `model.json` of an unpacked archive. Raises ModelRefused if it is missing or a field is wrong."""
    try:
        document = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelRefused("The archive holds no model.json. Package the model with `podium package`.") from error
    except ValueError as error:
        raise ModelRefused(f"model.json is no JSON ({error}). Package the model again.") from error
    version = _field(document, "schema_version", str)
    if version != SCHEMA_VERSION:
        raise ModelRefused(f"model.json has schema_version {version!r}, this server reads {SCHEMA_VERSION!r}.")
    return ModelFile(
        name=_field(document, "name", str),
        version=_field(document, "version", str),
        architecture=_field(document, "architecture", str),
        model_args=_field(document, "model_args", dict),
        weights_file=_file_name(_field(document, "weights.file", str)),
        weights_sha256=_field(document, "weights.sha256", str),
        classes=_classes(_field(document, "classes", list)),
        preprocessing=_preprocessing(document),
        temperature=_number(document, "temperature", above=0.0, up_to=1000.0),
        uncertainty_threshold=_number(document, "uncertainty.threshold", above=-1.0, up_to=1.0),
        target_accuracy=_number(document, "uncertainty.target_accuracy", above=0.0, up_to=1.0),
        engines=tuple(_engine_file(it) for it in _field(document, "engines", list)),
    )


def _engine_file(entry: object) -> EngineFile:
    engine, precisions = _field(entry, "engine", str), _field(entry, "precisions", list)
    files = {_file_name(name): str(sha256) for name, sha256 in _field(entry, "files", dict).items()}
    if engine not in ENGINES or not precisions or any(it not in PRECISIONS for it in precisions) or not files:
        raise ModelRefused(
            f"model.json: engines holds {entry!r}, expected one of {', '.join(ENGINES)} with files and precisions of "
            f"{', '.join(PRECISIONS)}. Update the server, or package the model again."
        )
    processor = frozenset(map(str, _field(entry, "processor", list)))
    return EngineFile(engine, tuple(cast(list[Literal["fp32", "bf16", "int8"]], precisions)), files, processor)


def _field[Kind](document: object, path: str, kind: type[Kind]) -> Kind:
    value = document
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            raise ModelRefused(f"model.json has no {path}. Package the model again.")
        value = value[key]
    if not isinstance(value, kind):
        raise ModelRefused(f"model.json: {path} is {value!r}, expected {kind.__name__}. Package the model again.")
    return value


def _preprocessing(document: object) -> dict[str, Any]:
    """All of it; sides, crop and interpolation are checked by `inference.images.pixels.EvalTransform`."""
    found: dict[str, Any] = {key: _field(document, f"preprocessing.{key}", object) for key in PREPROCESSING}
    for key, least in (("mean", float("-inf")), ("std", 0.0)):
        values = found[key]
        numbers = isinstance(values, list) and all(isinstance(it, int | float) and it > least for it in values)
        if not numbers or len(values) != 3:
            raise ModelRefused(f"model.json: preprocessing.{key} is {values!r}, expected three numbers over {least:g}.")
    return found


def _number(document: object, path: str, *, above: float, up_to: float) -> float:
    value = _field(document, path, object)
    if isinstance(value, bool) or not isinstance(value, int | float) or not above < value <= up_to:
        raise ModelRefused(f"model.json: {path} is {value!r}, expected a number over {above:g} and up to {up_to:g}.")
    return float(value)


def _classes(names: list[object]) -> tuple[str, ...]:
    classes = tuple(name for name in names if isinstance(name, str))
    if len(classes) != len(names) or len(set(classes)) != len(names) or not names:
        raise ModelRefused(f"model.json: classes must be names, each of them once, at least one; found {names!r}.")
    return classes


def _file_name(name: str) -> str:
    if Path(name).name != name:
        raise ModelRefused(f"model.json names the file {name!r}, expected one that lies in the archive itself.")
    return name
