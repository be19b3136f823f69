"""The settings of a training, as a person gives them: one frozen record, which a run folder keeps as `config.yaml`.

Names are timm's words written out; timm's and Ultralytics' own short ones are understood, too (see `layering`). What a
training makes of them before its first step, without `auto`, is `settled.Settled`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from inference.archive.model_args import check_model_args
from training.errors import WrongInput, why
from training.files import write_atomically
from training.sentences import short
from training.settings.allowed import Means, allowed, is_free
from training.settings.bounded_yaml import WrongYaml, read_bounded
from training.settings.unknown import no_setting

Share = Annotated[float, Field(ge=0, le=1)]
Jitter = Annotated[float, Field(ge=0, le=10)]  # a factor from 1 - it, at least 0, to 1 + it
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
CountOrNone = Annotated[int, Field(ge=0)]
Auto = Literal["auto"]
LONGEST_NAME = 200  # characters: timm's longest name of a model has 61
LONGEST_PLACE = 4096  # Linux' own limit
EPOCHS = 10  # of `auto` without `hours`


def _at_home(value: object) -> object:
    """Expand `~` to the home folder: no shell does it in a YAML file, after `=`, or from Python."""
    text = str(value) if isinstance(value, Path) else value
    if isinstance(text, str) and (not text or "\0" in text):
        raise ValueError("an empty text, or one with NUL bytes, is no path")
    if isinstance(text, str) and len(text) > LONGEST_PLACE:
        raise ValueError("no system has so long a path")
    return os.path.expanduser(text) if isinstance(text, str) else text  # noqa: PTH111 - pathlib's raises for ~nobody


Place = Annotated[Path, BeforeValidator(_at_home)]
PlaceOrName = Annotated[str, BeforeValidator(_at_home)]
Name = Annotated[str, Field(max_length=LONGEST_NAME)]
Data = Annotated[
    PlaceOrName,
    Means("a folder, a CSV or JSONL manifest, s3://bucket/prefix, or a data set's name, as cifar10", free=True),
]
FirstWeights = Annotated[
    PlaceOrName, Means("none (random), hub (downloaded), or the path of a weights file", free=True)
]
ModelName = Annotated[Name, Means("a model's name, as timm has it: resnet18")]
Augmentation = Annotated[Name, Means("timm's words, as rand-m9-mstd0.5, trivial, augmix")]
Frozen = Annotated[Name, Means("none, body, norm, or stages:K, as stages:2")]
Optimizer = Annotated[Name, Means("an optimizer's name, as timm has it: adamw")]
Device = Annotated[Name, Means("auto, cpu, cuda, cuda:1 or mps")]
RecipeName = Annotated[Name, Means("a recipe's name, as `podium recipes` lists them")]


class Claim(BaseModel):
    """The figure that a recipe's source reports; evaluation prints it beside what it measures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: Literal["top1", "top3", "loss"]
    value: float
    photos: str  # which, in words (`on` would be a truth value in YAML)
    source: str


class TrainConfig(BaseModel):
    """One training. Relative paths are relative to where it is started; `settle` replaces `auto` before the first step."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    # fmt: off
    # Data and run folder
    data: Data = Field(description="folder of class folders, CSV or JSONL manifest, s3://bucket/prefix, or a torchvision data set, as cifar10")
    run: Place = Field(description="run folder to write; must be empty")
    recipe: RecipeName | None = Field(None, description="recipe under the other settings")
    claim: Claim | None = Field(None, description="figure that the recipe's source reports")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="of the split, first weights, order and crops")

    # Splits
    validation_share: Annotated[float, Field(gt=0, lt=1)] = Field(0.2, description="share of every class for validation, if the data has no validation split")
    test_share: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="share of every class for test; drawn first, and read only by `podium evaluate`")
    split: Place | None = Field(None, description="split.csv of another run: the same split, checked by hash")
    groups: Place | None = Field(None, description="groups.csv of an audit: photos of one group, as near duplicates, stay in one split")
    exclude: Place | None = Field(None, description="issues.csv of an audit, or any CSV with a column path: these photos are left out")
    folds: Annotated[int, Field(ge=2)] | None = Field(None, description="k of k-fold cross-validation")
    fold: CountOrNone | None = Field(None, description="the fold that validates, from 0; none: train every fold, one after the other")

    # Model
    model: ModelName = Field("mobilenetv3_small_100", description="model, by timm's name")
    model_args: dict[str, Any] = Field({}, description="further keyword arguments of timm.create_model")
    pretrained: FirstWeights = Field("none", description="first weights: none (random), hub (downloaded), or the path of a weights file")
    pretrained_strict: bool = Field(True, description="refuse weights that leave a part of the body random, or have more of it; false: start with what fits")
    pool: Literal["avg", "max", "avgmax", "catavgmax"] | None = Field(None, description="global pooling; none: the model's own")
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = Field(None, description="dropout before the head; none: the model's own")
    drop_path: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="stochastic depth")

    # Images
    image_size: Annotated[int, Field(ge=16, le=1024)] = Field(224, description="side of the model's input, in evaluation and behind the server")
    train_size: Annotated[int, Field(ge=16, le=1024)] | None = Field(None, description="side of the training crops; none: image_size")
    crop_pct: Annotated[float, Field(gt=0, le=16)] | None = Field(None, description="share of the image that evaluation crops; over 1: all of it, with a margin; none: the model's own")
    crop_mode: Literal["center", "squash", "border"] | None = Field(None, description="how evaluation makes an image square: center cuts, squash distorts, border adds margins; none: the model's own")
    min_scale: Annotated[float, Field(gt=0, le=1)] = Field(0.35, description="smallest random training crop, as a share of the photo's area")
    max_aspect: Annotated[float, Field(ge=1, le=100)] = Field(4 / 3, description="widest or tallest random training crop, as a ratio of its sides")
    horizontal_flip: Share = Field(0.5, description="probability of a left-right flip")
    vertical_flip: Share = Field(0.0, description="probability of a top-bottom flip")
    rotation: Annotated[float, Field(ge=0, le=180)] = Field(0.0, description="largest random rotation in degrees, either way")
    zoom: Annotated[float, Field(ge=0, le=0.9)] = Field(0.0, description="largest random zoom, in or out, as a share")
    shift: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="largest random shift in every direction, as a share of the side")
    brightness: Jitter = Field(0.0, description="jitter of brightness, as torchvision's ColorJitter")
    contrast: Jitter = Field(0.0, description="jitter of contrast, as torchvision's ColorJitter")
    saturation: Jitter = Field(0.0, description="jitter of saturation, as torchvision's ColorJitter")
    rand_augment: Augmentation | None = Field(None, description="automatic augmentation, in timm's words, as rand-m9-mstd0.5; or trivial, or augmix")
    random_erasing: Share = Field(0.0, description="probability that a rectangle is erased")
    noise: Share = Field(0.0, description="standard deviation of Gaussian noise, of the full range of a pixel")
    mixup: NotNegative = Field(0.0, description="alpha of mixup; 0: no mixup")
    cutmix: NotNegative = Field(0.0, description="alpha of cutmix; 0: no cutmix")
    mix_share: Share = Field(1.0, description="share of the batches that mixup or cutmix mixes")
    mix_off_epochs: CountOrNone = Field(0, description="last epochs without mixup and cutmix")
    augment_off_epochs: CountOrNone = Field(0, description="last epochs with only crops, flips and shifts: no rotation, zoom, colours, rand_augment, erasing, noise")

    # Length
    epochs: Count | Auto = Field("auto", description="passes over the training photos, at most; auto: 10, or as many as fit into hours")
    hours: Annotated[float, Field(gt=0, le=10_000)] | None = Field(None, description="time budget: the measured speed chooses the epochs, and none begins that would overrun it")
    early_stopping: Count | None = Field(None, description="end after so many epochs without a better `monitor`; restarts when the body is unfrozen; none: never")
    monitor: Literal["top1", "top3", "loss", "macro_f1"] = Field("top1", description="validation figure by which the best weights are kept")

    # What learns
    freeze: Frozen = Field("none", description="frozen for the whole training: none, body (all but the head), norm (batch-norm statistics), or stages:K (all but the last K)")
    freeze_epochs: CountOrNone = Field(0, description="first epochs in which only the head learns")
    layer_decay: Annotated[float, Field(ge=0.01, le=1)] | None = Field(None, description="learning rate of each layer group, as a share of the next group's; none: one rate for all")

    # Optimisation
    optimizer: Optimizer = Field("adamw", description="optimizer, by timm's name: adamw, adam, sgd, muon, lamb, ...")
    lr: Positive | Auto = Field(1e-3, description="learning rate at its peak; auto: by optimizer and batch")
    body_lr_scale: Annotated[float, Field(ge=1e-6, le=1)] = Field(1.0, description="learning rate of all but the head, as a share of lr")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="momentum of optimizers that have one")
    weight_decay: Annotated[float, Field(ge=0, le=100)] = Field(0.05, description="L2 for adam and sgd, decoupled for adamw")
    schedule: Literal["cosine", "onecycle", "step", "plateau", "constant"] = Field("cosine", description="how the learning rate falls")
    warmup_epochs: NotNegative = Field(1.0, description="first epochs, in which the learning rate rises; onecycle has its own")
    decay_epochs: Positive = Field(3.0, description="step: epochs between two decays; plateau: epochs without a better validation loss")
    decay_factor: Annotated[float, Field(gt=0, lt=1)] = Field(0.5, description="step, plateau: factor of one decay")
    min_lr_scale: Share = Field(0.01, description="lowest learning rate, as a share of lr")
    batch_size: Count | Auto = Field(32, description="photos in one step of one process; auto: as many as fit into the GPU's memory")
    accumulate: Count = Field(1, description="steps whose gradients are added before the weights change")
    clip_grad: Positive | None = Field(None, description="largest norm of the gradient; none: any")
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(0.1, description="share of the target that is spread over all classes")
    focal_gamma: Annotated[float, Field(ge=0, le=100)] = Field(0.0, description="gamma of the focal loss; 0: cross-entropy")
    class_weights: Literal["none", "inverse", "effective"] = Field("none", description="class weights of the loss, from class counts")
    sampler: Literal["shuffle", "balanced"] = Field("shuffle", description="order of the photos; balanced: every class equally often")
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = Field(None, description="decay of the average of the weights, which is kept in their place; none: no average")

    # Machine
    device: Device = Field("auto", description="device that trains: auto, cpu, cuda, cuda:1, mps")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field("auto", description="precision of the forward pass; auto: bf16 on a GPU that has it, else fp16; fp32 on a CPU")
    compile: bool = Field(False, description="torch.compile: about 40 s at the start, for up to half as much speed again")
    sync_batchnorm: bool = Field(False, description="share batch-norm statistics between all processes of torchrun; only on GPUs")
    threads: Annotated[int, Field(ge=1, le=256)] | None = Field(None, description="torch's threads on a CPU; none: one less than cores")
    workers: Annotated[int, Field(ge=0, le=256)] | Auto = Field("auto", description="loader processes that crop and flip; 0: the training process itself")
    cache: Literal["auto", "files", "memory", "device"] = Field("auto", description="where decoded photos wait: nowhere, in a memory-mapped file, on the device")
    cache_mb: CountOrNone = Field(4096, description="largest size of that file in MB; photos beyond it are decoded in every epoch")
    cache_dir: Place = Field(Path(".podium/cache"), description="folder for that file; put it on the fastest disk")
    checkpoint_minutes: Positive = Field(5.0, description="minutes between two checkpoints within an epoch; each epoch ends with one")
    tensorboard: bool = Field(True, description="write curves for TensorBoard to the run folder")
    target_accuracy: Annotated[float, Field(gt=0, le=1)] = Field(0.95, description="accuracy that answers not called uncertain are to have; it sets the threshold")

    @property
    def crop_size(self) -> int:
        """Side of the training crops, in pixels."""
        return self.train_size or self.image_size

    @property
    def planned_epochs(self) -> int:
        """The epochs before `hours` may lower them, or choose them if they are `auto`."""
        return EPOCHS if isinstance(self.epochs, str) else self.epochs

    @model_validator(mode="before")
    @classmethod
    def _unknown_keys_name_the_nearest(cls, values: object) -> object:
        if isinstance(values, dict):
            for key in values.keys() - cls.model_fields.keys():
                raise ValueError(no_setting(str(key), cls.model_fields))
        return values

    @field_validator("*", mode="before")
    @classmethod
    def _a_truth_value_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, bool) and cls.model_fields[info.field_name or ""].annotation is not bool:
            raise ValueError("pydantic would take true for 1")
        return value

    @model_validator(mode="after")
    def _goes_together(self) -> TrainConfig:
        check_model_args(self.model_args)
        if self.fold is not None and (self.folds is None or self.fold >= self.folds):
            if self.folds is None:
                raise ValueError(f"fold = {self.fold} is one of several folds. Say how many there are, as folds={max(5, self.fold + 1)}.")
            raise ValueError(f"fold = {self.fold} needs folds > {self.fold}, and folds = {self.folds}")
        if self.split is not None and self.folds is not None:
            raise ValueError("split and folds exclude each other: one says who validates, the other draws it")
        if self.split is not None and (self.groups is not None or self.exclude is not None):
            raise ValueError("split excludes groups and exclude: it says already which photos there are, and on which side")
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share and test_share leave nothing to train on: together they must be under 1")
        for name, argument in (("dropout", "drop_rate"), ("drop_path", "drop_path_rate"), ("pool", "global_pool")):
            given = getattr(self, name)
            if argument in self.model_args and given != type(self).model_fields[name].default:
                raise ValueError(
                    f"{name} = {given} and model_args' {argument} = {self.model_args[argument]} are the same thing. Leave {argument} out."
                )
        kind, _, count = self.freeze.partition(":")
        if not (self.freeze in ("none", "body", "norm") or (kind == "stages" and count.isdigit() and int(count))):
            raise ValueError(f"freeze = {self.freeze!r}: use none, body, norm, or stages:K, as stages:2")
        return self


def shrunk(count: int, of: int, epochs: int) -> int:
    """A setting of `count` out of `of` epochs, for a training of `epochs`: at least one epoch is left."""
    return min(ceil(count * epochs / of), epochs - 1)


def make_config(values: dict[str, object]) -> TrainConfig:
    """The record of these values; WrongInput names the first setting that is wrong, its value, and what it should be."""
    return checked(TrainConfig, values)


def checked[Record: TrainConfig](record: type[Record], values: dict[str, object]) -> Record:
    """The values as a record of this type; WrongInput as `make_config` raises it."""
    try:
        return record.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        if not name:  # two settings that do not go together, which has its own sentence
            raise WrongInput(first["msg"].removeprefix("Value error, ")) from error
        value, field = values.get(name), record.model_fields[name]
        quotes = ", in quotes if it is a name" if isinstance(value, bool | int | float) and is_free(field) else ""
        if quotes and isinstance(value, bool):
            quotes += " (YAML takes on, off, yes and no for true and false)"
        raise WrongInput(f"{name} = {short(value)}: give {allowed(field)}{quotes}.") from error


def write_config(config: TrainConfig, path: Path, reasons: Mapping[str, str] | None = None) -> None:
    """Write the record as YAML, in the order of its fields; a setting's reason stands above it as a comment."""
    lines = []
    for key, value in config.model_dump(mode="json").items():
        reason = f"# {reasons[key]}\n" if reasons and key in reasons else ""
        lines.append(reason + yaml.safe_dump({key: value}, sort_keys=False))
    write_atomically("".join(lines), path)


def read_config(path: Path) -> TrainConfig:
    """The record in a YAML file; WrongInput if it holds none."""
    return make_config(read_yaml(path))


def read_yaml(path: Path) -> dict[str, object]:
    """The settings in a YAML file, not yet checked; WrongInput if it holds none."""
    try:
        values = read_bounded(path)
    except (OSError, WrongYaml) as error:
        raise WrongInput(f"{path} cannot be read as YAML: {why(error)}.") from error
    if not isinstance(values, dict):
        raise WrongInput(f"{path} holds no settings. Write one per line, as in `epochs: 10`.")
    return values
