"""How much of a network came from pretrained weights: the record, which a run folder keeps as `pretrained.json`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from inference.harmless import harmless
from training.errors import TrainingError
from training.files import write_record
from training.model.model_file import Part
from training.sentences import plural

PRETRAINED_FILE = "pretrained.json"
SHOWN = 3  # names of a list
LONGEST_NAME = 100  # characters of one


class Pretrained(Part):
    """How much of a network's body came from pretrained weights; the body is all but the layer whose outputs are classes."""

    weights: str  # hub, or the file
    sha256: str | None  # of the file
    parameters: int  # learnt numbers of the body
    loaded: int  # so many of them came from the weights
    random: tuple[str, ...]  # tensors of the body that are not in the weights
    left_out: tuple[str, ...]  # tensors of the weights that the network has no place for
    notes: tuple[str, ...]  # what was changed on the way, in words

    @property
    def name(self) -> str:
        """The weights, without the folders of somebody's machine."""
        return Path(self.weights).name

    @property
    def share(self) -> str:
        """How much of the body came from the weights, in words."""
        if self.only_statistics:
            return f"only the {self.parameters:,} learnt parameters of the body come from these weights, not its statistics"
        if self.loaded == self.parameters:
            return f"all {self.parameters:,} parameters of the body come from these weights"
        return f"only {self.loaded:,} of the body's {self.parameters:,} parameters come from these weights"

    @property
    def only_statistics(self) -> bool:
        """Whether all that is missing is what no gradient changes: the statistics of batch norm."""
        return bool(self.random) and self.loaded == self.parameters

    @property
    def sentence(self) -> str:
        """How much came from the weights, what stays random, and what was changed."""
        parts = [self.share]
        if self.random:
            what = "AS IN A NEW NETWORK" if self.only_statistics else "STILL RANDOM"
            parts.append(f"{what}: {_tensors(self.random)}")
        parts += [f"left out: {_tensors(self.left_out)}"] if self.left_out else []
        return "; ".join([*parts, *self.notes])


def write_pretrained(folder: Path, found: Pretrained) -> None:
    """Write the record into a run folder."""
    write_record(found, folder / PRETRAINED_FILE)


def read_pretrained(folder: Path) -> Pretrained | None:
    """The record in a run folder; None if there is none, as after a training from random weights.

    Raises TrainingError if the file is damaged.
    """
    path = folder / PRETRAINED_FILE
    try:
        return Pretrained.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise TrainingError(f"{path} is damaged. Bring it back, or remove it: then it counts as unknown.") from error


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are; they may come from a stranger's file."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(map(printable, names[:SHOWN]))}{more}"


def _tensors(names: Sequence[str]) -> str:
    return f"{plural(len(names), 'tensor')}, as {listed(names)}"


def printable(name: str) -> str:
    """A name in a file, on one line, and no longer than a line."""
    return harmless(name)[:LONGEST_NAME]
