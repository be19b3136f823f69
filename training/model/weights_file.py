"""A file of weights -> its tensors by name, or a sentence that says what the file is instead.

safetensors, or what torch.save wrote: that is read by a loader that runs no code of the file.
"""

from __future__ import annotations

import argparse
import json
import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from training.errors import WrongInput
from training.files import why_no_file
from training.model.model_file import MODEL_FILE, WEIGHTS_FILE
from training.model.provenance import listed
from training.model.unfinished import runs_below

DEEPEST = 6  # dictionaries in each other: trainers keep their weights in the second or third
SEEN = 512  # first bytes, by which files are distinguished
ADDRESS = re.compile(r"[A-Za-z][\w+.-]+:")  # of a page, a bucket, or a hub; not a drive
LARGEST_HEADER = 100_000_000  # bytes: safetensors' own limit
NOT_WEIGHTS = {  # by how it begins: what it is, and what to do
    b"version https://git-lfs": "is a pointer of Git LFS, not the file. Run `git lfs pull` there, or download the file itself",
    b"<!doctype": "is a web page. Download the file itself, by the link that says raw or download",
    b"<html": "is a web page. Download the file itself, by the link that says raw or download",
    b"<?xml": "is a server's message in XML, not the file. Download the file itself",
    b"\x89hdf": "is a Keras file (HDF5), which timm's networks cannot use. Give weights of PyTorch",
    b"\x1f\x8b": "is compressed by gzip. Unpack it, and give what is in it",
    b"gguf": "is a GGUF file, which timm's networks cannot use. Give weights of PyTorch",
}
# What Python's and torch's readers raise over other bytes than they wrote.
DAMAGED = (
    RuntimeError, EOFError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError, struct.error,
)  # fmt: skip
GIVE = "Give none, hub, or the path of a weights file"
AS_SAFETENSORS = (
    "Where it was made, save its weights alone: safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')."
)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors in a file, by name, on the CPU; WrongInput with what the file is, if it is no file of weights."""
    try:
        with path.open("rb") as opened:
            begins, size = opened.read(SEEN), path.stat().st_size
        _check_beginning(path, begins)
        if begins[8:9] == b"{":
            found: object = _safetensors(path, size)
        elif begins.startswith((b"PK", b"\x80")):  # a zip file, or a pickle alone, as torch wrote them before 1.6
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about pickles and sparse tensors: for whoever wrote the file
                found = _of_torch(path, archive=begins.startswith(b"PK"))
        else:
            raise WrongInput(f"{path} is neither a safetensors file nor what torch.save wrote. {GIVE}.")
    except OSError as error:
        raise WrongInput(f"{path} cannot be read ({error.strerror or error}).") from error
    tensors = dict(_flat(found))
    if not tensors:
        raise WrongInput(f"{path} holds no weights. Give the file that a training of PyTorch wrote, or pretrained=hub.")
    return tensors


def find_weights(place: str) -> Path:
    """The file itself, or the model.safetensors in a run folder; WrongInput if there is none."""
    path = Path(place)
    if path.is_dir():
        if (path / WEIGHTS_FILE).is_file():
            return path / WEIGHTS_FILE
        below = runs_below(path)
        raise WrongInput(f"{path} is a folder without {WEIGHTS_FILE}{f', but with {below}' if below else f'. {GIVE}.'}")
    if not path.exists() and ADDRESS.match(place):
        raise WrongInput(f"{place} is an address. Download the file, look at where it comes from, and give its path.")
    if not path.is_file():
        raise WrongInput(f"{path}: {why_no_file(path)}. {GIVE}.")
    return path


def _check_beginning(path: Path, begins: bytes) -> None:
    """WrongInput for what is often given in place of weights."""
    if not begins:
        raise WrongInput(f"{path} is empty. Download it again.")
    for beginning, sentence in NOT_WEIGHTS.items():
        if begins.lstrip().lower().startswith(beginning):
            raise WrongInput(f"{path} {sentence}.")


def _safetensors(path: Path, size: int) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise WrongInput(
            f"{path} is no whole safetensors file: {_what_is_left(path, size)}. Fetch it again."
        ) from error


def _what_is_left(path: Path, size: int) -> str:
    """How much of a safetensors file is there, if its header can still say how long it was."""
    with path.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        header = opened.read(min(length, LARGEST_HEADER))
    try:
        entries = [entry for name, entry in json.loads(header).items() if name != "__metadata__"]
        whole = 8 + length + max(int(entry["data_offsets"][1]) for entry in entries)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return "its header is cut off, or damaged"
    return f"{size:,} of {whole:,} bytes are there" if size < whole else "it is damaged"


def _of_torch(path: Path, *, archive: bool) -> object:
    """What torch.save wrote, without running code of it."""
    if archive:
        _check_archive(path)
    try:
        # Arguments are saved beside weights, by timm and others. By a path, torch would judge by how its name ends.
        with safe_globals([argparse.Namespace]), path.open("rb") as opened:
            return torch.load(opened, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WrongInput(
            f"{path} is no safetensors file, and holds more than weights{_named_objects(path, archive)}, or is damaged."
            f" Podium runs no code from a file of weights. {AS_SAFETENSORS}"
        ) from error
    except DAMAGED as error:
        raise WrongInput(
            f"{path} is truncated or damaged: it begins as torch.save writes, and does not go on so. Fetch it again."
        ) from error


def _check_archive(path: Path) -> None:
    """WrongInput for a zip file that torch.save did not write."""
    try:
        with zipfile.ZipFile(path) as opened:
            names = opened.namelist()
    except (zipfile.BadZipFile, *DAMAGED) as error:
        raise WrongInput(f"{path} is truncated or damaged. Fetch it again.") from error
    if MODEL_FILE in names:
        raise WrongInput(
            f"{path} is a packaged model. Take the weights out of it: unzip {path} {WEIGHTS_FILE}, then"
            f" pretrained={WEIGHTS_FILE}."
        )
    if any(name.endswith("/constants.pkl") for name in names):
        raise WrongInput(f"{path} is a TorchScript program, not weights. {AS_SAFETENSORS}")
    if not any(name.endswith("/data.pkl") for name in names):
        raise WrongInput(
            f"{path} is a zip file without weights of PyTorch. Give a file that safetensors or torch.save wrote."
        )


def _named_objects(path: Path, archive: bool) -> str:
    """In brackets, the first things in the file that only code could restore."""
    try:
        found = sorted(get_unsafe_globals_in_checkpoint(path)) if archive else []
    except (pickle.UnpicklingError, *DAMAGED):
        return ""
    return f" ({listed(found)})" if found else ""


def _flat(found: object, before: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """The tensors in what a trainer saved: the names of dictionaries in each other are joined by dots."""
    if isinstance(found, Mapping) and depth < DEEPEST:
        for name, value in found.items():
            if isinstance(value, Tensor):
                yield f"{before}{name}", value
            else:
                yield from _flat(value, f"{before}{name}.", depth + 1)
