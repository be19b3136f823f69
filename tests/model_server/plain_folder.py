"""The Dockerfile's steps, done to a folder that stands for the image's root: what a COPY, an ENV and a RUN do.

Two steps are mapped: `pip install` to a look whether this environment has the very versions, `useradd` to nothing.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement

from tests.model_server.dockerfile import ROOT, read_dockerfile

LOCKED = ROOT / "requirements" / "model_server.txt"


@dataclass(frozen=True)
class PlainFolder:
    """A folder in the place of the image's root, after every step of the Dockerfile."""

    root: Path
    work: Path
    environment: dict[str, str]

    def inside(self, words: str) -> str:
        """Absolute paths of the image, as paths of this folder."""
        return re.sub(r"/(?=opt/podium|models|tmp)", f"{self.root}/", words)

    def files(self) -> set[Path]:
        """All files but those under /tmp and /models."""
        return {path for path in (self.root / "opt").rglob("*") if path.is_file()}


def built_in(root: Path) -> PlainFolder:
    """Follow the Dockerfile, step by step."""
    folder = PlainFolder(root, root, {"PATH": f"{Path(sys.executable).parent}{os.pathsep}/usr/bin:/bin"})
    for name, words in read_dockerfile().instructions:
        if name == "WORKDIR":
            folder = PlainFolder(root, Path(folder.inside(words)), folder.environment)
            folder.work.mkdir(parents=True)
        elif name == "COPY":
            *sources, target = words.split()
            for source in sources:
                copy(ROOT / source, folder.work / target / ("" if not target.endswith("/") else Path(source).name))
        elif name == "ENV":
            pairs = (pair.partition("=") for pair in shlex.split(words))
            folder.environment.update({key: folder.inside(value) for key, _, value in pairs})
        elif name == "RUN":
            run(folder, words)
    (root / "tmp").mkdir()
    return folder


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def run(folder: PlainFolder, step: str) -> None:
    if step.startswith("useradd"):
        return
    if step.startswith("pip install"):
        assert (folder.work / "requirements" / LOCKED.name).read_bytes() == LOCKED.read_bytes()
        other = {it.name: version(it.name) for it in pinned() if version(it.name) not in it.specifier}
        assert other == {}, "this environment is not what requirements/model_server.txt locks"
        return
    subprocess.run(shlex.split(step), cwd=folder.work, env=folder.environment, check=True)


def pinned() -> list[Requirement]:
    """What pip would install here, of the locked requirements."""
    lines = LOCKED.read_text().replace("\\\n", " ").splitlines()
    found = [Requirement(line.partition("--hash")[0].strip()) for line in lines if re.match(r"\w", line)]
    return [it for it in found if it.marker is None or it.marker.evaluate()]
