"""A `.mar` that is still packed, or its data unpacked: read strictly, in bounded memory. No code in it ever runs here.

NAME.mar -> structure -> manifest, model.json -> a temporary folder with the weights and the golden pictures
"""

from __future__ import annotations

import hashlib
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from inference.archive.documents import MOST_BYTES, Document
from inference.archive.errors import AGAIN, COPY, ModelRefused, short
from inference.archive.golden_pictures import GOLDEN_FILE
from inference.archive.manifest import MANIFEST, check_manifest
from inference.archive.model_file import MODEL_FILE, ModelFile, model_of
from inference.archive.zip_structure import check_end, check_entries

PIECE = 2**20  # bytes inflated at once
# What Python's zipfile and zlib raise over bytes that are no whole ZIP.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, RuntimeError)


class Packed:
    """An open `.mar` whose structure was checked; a file of it is inflated when it is read."""

    def __init__(self, opened: zipfile.ZipFile) -> None:
        self._zip = opened
        self.sizes = {entry.filename: entry.file_size for entry in opened.infolist() if not entry.is_dir()}  # bytes

    def read(self, name: str) -> bytes:
        """A document in the archive. Raises ModelRefused if there is none, or if it is larger than any of ours."""
        if name not in self.sizes:
            raise ModelRefused(f"{name} is missing.", AGAIN)
        if self.sizes[name] > MOST_BYTES:
            raise ModelRefused(f"{name} is larger than {MOST_BYTES / 2**20:g} MiB, which none of ours is.", AGAIN)
        return b"".join(self._pieces(name))

    def sha256(self, name: str) -> str:
        """The SHA-256 of a file, in hex. Raises ModelRefused if it is damaged."""
        digest = hashlib.sha256()
        for piece in self._pieces(name):
            digest.update(piece)
        return digest.hexdigest()

    def unpack(self, name: str, folder: Path) -> None:
        """Write a file of the archive's top folder into `folder`. Raises ModelRefused if it is damaged."""
        with (folder / name).open("xb") as target:
            for piece in self._pieces(name):
                target.write(piece)

    def _pieces(self, name: str) -> Iterator[bytes]:
        left = self.sizes[name]
        try:
            with self._zip.open(name) as opened:
                while piece := opened.read(PIECE):
                    left -= len(piece)
                    yield piece
        except _DAMAGED as error:
            raise ModelRefused(f"{short(name)} is damaged ({error}).", COPY) from error
        if left:
            raise ModelRefused(f"{short(name)} is cut short by {left:,} bytes.", COPY)


@contextmanager
def opened_mar(mar: Path) -> Iterator[Packed]:
    """Open a `.mar`. Raises ModelRefused if it is no ZIP, or one that could be read in two ways or without a bound."""
    try:
        file = mar.open("rb")
    except OSError as error:
        raise ModelRefused(f"It cannot be opened ({error.strerror}).", "Look at its name and its rights.") from error
    with file:
        check_end(file)  # before zipfile reads a table of any length
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of odd names, which are refused
                opened = zipfile.ZipFile(file)
        except _DAMAGED as error:
            raise ModelRefused(f"It is no whole ZIP ({error}).", COPY) from error
        with opened:
            _check_archive(opened.namelist())
            check_entries(file, opened)
            yield Packed(opened)


def _check_archive(names: Sequence[str]) -> None:
    """Raise ModelRefused for a ZIP that is no archive of a model, and so has no fault that packaging again would mend."""
    if MODEL_FILE in names or MANIFEST in names:
        return
    if any(name.endswith("/data.pkl") for name in names):
        raise ModelRefused(
            "It is a file of weights as torch.save writes it, no archive.",
            "Train from it with pretrained=, and package that run.",
        )
    raise ModelRefused(
        f"It is a ZIP file, but no archive of a model: {MODEL_FILE} is missing.", "Give the .mar of a package."
    )


def read_packed(mar: Path) -> ModelFile:
    """The record of the model in a `.mar`, which its manifest agrees with. Raises ModelRefused if it is none of ours."""
    with opened_mar(mar) as packed:
        return _record(packed)


@contextmanager
def unpacked_data(mar: Path) -> Iterator[Path]:
    """A temporary folder with the data of a `.mar`: model.json, the weights and, if there are any, the golden pictures.

    Its code stays where it is. Raises ModelRefused as `read_packed` does, or if a file is missing or damaged.
    """
    with tempfile.TemporaryDirectory(prefix="podium-archive-") as folder:
        try:
            _unpack(mar, Path(folder))
        except OSError as error:
            raise ModelRefused(
                f"It cannot be unpacked into {folder} ({error.strerror}).",
                "Make room there, or set TMPDIR to another folder.",
            ) from error
        yield Path(folder)


def unpack_engine(mar: Path, engine: str, folder: Path) -> ModelFile:
    """Write model.json, the golden pictures and the files of one engine into `folder`, and no code.

    Raises ModelRefused as `read_packed` does, or if the archive holds no such engine, and OSError.
    """
    with opened_mar(mar) as packed:
        model = _record(packed)
        files = {name for file in model.engines if file.engine == engine for name in file.files}
        if not files:
            raise ModelRefused(
                f"{model.name}@{model.version} holds nothing for {engine}.", f"Package it with --engine {engine}."
            )
        for name in (MODEL_FILE, GOLDEN_FILE, *sorted(files)):
            if name not in packed.sizes:
                raise ModelRefused(f"{name} is missing.", AGAIN)
            packed.unpack(name, folder)
        return model


def _unpack(mar: Path, folder: Path) -> None:
    with opened_mar(mar) as packed:
        model = _record(packed)
        for name in (MODEL_FILE, model.weights_file, GOLDEN_FILE):
            if name in packed.sizes:
                packed.unpack(name, folder)


def _record(packed: Packed) -> ModelFile:
    model = model_of(Document.parsed(packed.read(MODEL_FILE), MODEL_FILE))
    check_manifest(Document.parsed(packed.read(MANIFEST), MANIFEST), model, packed.sizes)
    return model
