"""The record of a trained model, which the archive carries as `model.json` beside the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from inference.archive import model_file as record
from inference.archive.documents import Document, read_at_most
from inference.archive.errors import AGAIN, ModelRefused, short
from inference.archive.preprocessing import check_preprocessing
from inference.images.pixels import EvalTransform
from training.errors import TrainingError, WrongInput
from training.model.unfinished import not_finished

MODEL_FILE = record.MODEL_FILE
WEIGHTS_FILE = "model.safetensors"
WHOLE_RUN = "Fetch the run's folder again from where it was trained, or train again."


class Part(BaseModel):
    """A frozen part of the record; a field that it does not know is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Weights(Part):
    """The weights' file and its sha256, in hexadecimal."""

    file: str
    sha256: str


class Preprocessing(Part):
    """timm's own words: `create_transform(**preprocessing, is_training=False)` makes the model's input."""

    input_size: tuple[int, int, int]
    interpolation: str
    crop_pct: float
    crop_mode: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def transform(self) -> EvalTransform:
        """The part of an image that the model looks at, and how it is resized. Raises ValueError if no reader follows it."""
        check_preprocessing(self.model_dump())
        return EvalTransform.of(self.model_dump())


class Uncertainty(Part):
    """Answers whose best probability is below `threshold` are called uncertain."""

    threshold: float
    target_accuracy: float
    coverage: float  # share of the validation photos at or above the threshold


class DataFacts(Part):
    """The data that the model learnt from."""

    fingerprint: str
    train_images: int
    validation_images: int
    test_images: int = 0


class Metrics(Part):
    """On the validation photos, with the best checkpoint."""

    top1: float
    top3: float
    loss: float  # cross-entropy of the plain logits, in nats


class EngineFile(Part):
    """Files that an engine of the server loads instead of the weights: the first one, in one of the precisions.

    Training writes it; the server reads what it needs of it as `inference.archive.model_file.EngineFile`.
    """

    engine: Literal["openvino", "aotinductor"]
    precisions: tuple[Literal["fp32", "bf16", "int8"], ...]
    files: dict[str, str]  # names in the archive and their sha256
    agreement: float | None = None  # int8: share of held-out photos for which it names the class that fp32 names
    held_out: int | None = None  # how many these were
    processor: tuple[str, ...] = ()  # machine code: what a CPU must be able to do, in the words of torch.cpu


class ModelFile(Part):
    """Everything needed to answer with the weights; name and version are set when it is packaged.

    Training writes it; the server reads what it needs of it as `inference.archive.model_file.ModelFile`.
    """

    schema_version: Literal["1.0"] = "1.0"
    name: str | None = None
    version: str | None = None
    architecture: str
    model_args: dict[str, Any]
    weights: Weights
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    temperature: float
    uncertainty: Uncertainty
    data: DataFacts
    metrics: Metrics
    versions: dict[str, str]
    git_commit: str | None
    created_at: str
    engines: tuple[EngineFile, ...] = ()  # set when it is packaged


def read_model_file(folder: Path) -> ModelFile:
    """The record in a finished run folder, checked as the server checks it.

    Raises TrainingError if it holds none, or one that no reader believes; WrongInput if `folder` is a file, or is not there.
    """
    if folder.is_file():
        raise WrongInput(f"{folder} is a file. Give the folder of a finished run, as {folder.parent}.")
    if not folder.exists():
        raise WrongInput(f"{folder} does not exist. Give the folder of a finished run.")
    if not (folder / MODEL_FILE).exists():
        raise not_finished(folder)
    try:
        return whole_model_file(folder)
    except ModelRefused as error:
        raise refused(folder, error) from error


def whole_model_file(folder: Path) -> ModelFile:
    """The record in a folder with all that it says for people, too. Raises ModelRefused if a field is missing or wrong."""
    document = Document.parsed(read_at_most(folder / MODEL_FILE), MODEL_FILE)
    record.model_of(document, packaged=False)
    try:
        return ModelFile.model_validate(document.content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise ModelRefused(
            f"{MODEL_FILE}: {field} is {short(first['input'])}: {first['msg'].lower()}.", AGAIN
        ) from error


def refused(folder: Path, error: ModelRefused) -> TrainingError:
    """The refusal of what lies in a run folder: it is to be whole, as its training wrote it."""
    return TrainingError(f"{folder}: {error.problem} {error.action.replace(AGAIN, WHOLE_RUN)}".rstrip())
