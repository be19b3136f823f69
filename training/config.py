"""Every number of a training, in one frozen record that a run folder keeps as `config.yaml`."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from training.errors import WrongInput

Share = Annotated[float, Field(ge=0, le=1)]


class TrainConfig(BaseModel):
    """One training. Relative paths are relative to where it is started."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    data: Path  # DATA/CLASS/*, or DATA/train/CLASS/* with DATA/validation/CLASS/* beside it
    run: Path  # the folder to write; must not hold anything yet
    seed: Annotated[int, Field(ge=0)] = 0

    model: str = "mobilenetv3_small_100"  # timm's name
    model_args: dict[str, Any] = {}  # further keyword arguments of timm.create_model
    pretrained: str = "none"  # none, hub, or the path of a weights file

    image_size: Annotated[int, Field(ge=16, le=1024)] = 224
    crop_pct: Annotated[float, Field(gt=0, le=1)] | None = None  # of the evaluation; None: the model's own
    min_scale: Annotated[float, Field(gt=0, le=1)] = 0.35  # least area of the photo in a random training crop
    horizontal_flip: Share = 0.5
    vertical_flip: Share = 0.0
    colour_jitter: Annotated[float, Field(ge=0)] = 0.0

    epochs: Annotated[int, Field(ge=1)] = 10
    freeze_epochs: Annotated[int, Field(ge=0)] = 0  # the first epochs, in which only the head learns
    warmup_epochs: Annotated[float, Field(ge=0)] = 1.0
    batch_size: Annotated[int, Field(ge=1)] = 32
    optimizer: str = "adamw"  # timm's name
    lr: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None  # average the weights; None: do not

    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.2  # where the data brings no validation folder
    target_accuracy: Annotated[float, Field(gt=0, le=1)] = 0.95  # of the answers that are not called uncertain

    device: str = "auto"  # auto, cpu, cuda, cuda:1, mps
    threads: Annotated[int, Field(ge=1)] | None = None  # of torch on a CPU; None: one less than cores, see loop.py
    workers: Annotated[int, Field(ge=0)] = 0  # processes that crop and flip; 0: the training process itself
    cache_mb: Annotated[int, Field(ge=0)] = 4096  # of decoded training photos; the rest is decoded in every epoch

    @model_validator(mode="before")
    @classmethod
    def _unknown_keys_name_the_nearest(cls, values: object) -> object:
        if isinstance(values, dict):
            for key in values.keys() - cls.model_fields.keys():
                near = difflib.get_close_matches(str(key), cls.model_fields, n=1, cutoff=0.5)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise ValueError(f"There is no setting {key!r}.{hint}")
        return values


def make_config(values: dict[str, object]) -> TrainConfig:
    """The record of these values; WrongInput names the first setting that is wrong, its value, and what it should be."""
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        what = first["msg"].removeprefix("Value error, ")
        where = ".".join(str(part) for part in first["loc"])
        sentence = f"{where} = {first['input']!r}: {what}." if where else what
        raise WrongInput(sentence) from error


def write_config(config: TrainConfig, path: Path) -> None:
    """Keep the record as YAML, in the order of its fields."""
    path.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), encoding="utf-8")


def read_config(path: Path) -> TrainConfig:
    """The record in a YAML file; WrongInput where it is none."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise WrongInput(f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(values, dict):
        raise WrongInput(f"{path} holds no settings. Write one per line, as in `epochs: 10`.")
    return make_config(values)
