"""What a folder without a model.json is, and what to do: go on with a training, take a fold, or name another folder."""

from __future__ import annotations

import fcntl
import shlex
from pathlib import Path

from inference.archive.model_file import MODEL_FILE
from training.errors import TrainingError, WrongInput
from training.sentences import plural

FOLDS_FILE = "folds.yaml"  # beside the folders of k folds: the settings of them all
SETTLED_FILE = "resolved.yaml"  # with it, a training can be resumed
LOCK_FILE = ".lock"  # held by the process that trains
WRITTEN_BEFORE = ("config.yaml", "split.csv")  # alone, they are of a training that ended before it could be resumed


def resumable(folder: Path) -> Path:
    """The folder that `--resume` takes: that of all folds, if this is one of them."""
    return folder.parent if folder.name.startswith("fold-") and (folder.parent / FOLDS_FILE).is_file() else folder


def not_finished(folder: Path) -> TrainingError:
    """Why no finished run lies in this folder, and what to do."""
    if (folder / FOLDS_FILE).is_file():
        return _folds(folder)
    if is_training(folder):
        return TrainingError(f"{folder} is being trained now. Wait until that has ended.")
    if (folder / SETTLED_FILE).is_file():
        return TrainingError(f"{folder} is no finished run: its training was stopped. {_go_on(folder)}")
    if any((folder / name).exists() for name in WRITTEN_BEFORE):
        return TrainingError(
            f"{folder} holds a training that ended before its first step. Train again, into another folder."
        )
    if below := runs_below(folder):
        return TrainingError(f"{folder} holds no finished run itself, but {below}")
    return TrainingError(
        f"{folder} holds no finished run: there is no {MODEL_FILE} in it. Give a folder that `podium train` made."
    )


def nothing_to_resume(folder: Path) -> WrongInput:
    """Why no training can go on in this folder."""
    if any((folder / name).exists() for name in WRITTEN_BEFORE):
        return WrongInput(
            f"{folder} holds a training that ended before its first step. Train again, into another folder."
        )
    if begun := sorted(
        one.parent for one in folder.glob(f"*/{SETTLED_FILE}") if not (one.parent / MODEL_FILE).exists()
    ):
        return WrongInput(
            f"{folder} is the folder of several runs. Resume one, as podium train --resume {_quoted(begun[0])}"
        )
    return WrongInput(f"{folder} holds no training that has begun. Give the folder of one that was stopped.")


def runs_below(folder: Path) -> str:
    """How many finished runs lie in folders of this one, and which to take, for the end of a sentence; empty without any."""
    found = [one.parent for pattern in ("*", "*/fold-*") for one in folder.glob(f"{pattern}/{MODEL_FILE}")]
    if not found:
        return ""
    newest = max(found, key=lambda run: (run / MODEL_FILE).stat().st_mtime)
    one = len(found) == 1
    return f"{plural(len(found), 'finished run')} below it. Give {f'that, {newest}' if one else f'one; the newest is {newest}'}."


def is_training(folder: Path) -> bool:
    """Whether a process trains into this folder now."""
    try:
        with (folder / LOCK_FILE).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # none was begun here, or it is somebody else's
        return False
    return False


def _folds(folder: Path) -> TrainingError:
    ready = sorted(one.parent for one in folder.glob(f"fold-*/{MODEL_FILE}"))
    if (folder / "folds.json").is_file() and ready:
        return WrongInput(f"{folder} holds {plural(len(ready), 'fold')}, each of them a run. Give one, as {ready[0]}.")
    instead = f"; {ready[0]} is finished" if ready else ""
    return TrainingError(f"{folder} holds folds that were not all trained{instead}. {_go_on(folder)}")


def _go_on(folder: Path) -> str:
    return f"Go on: podium train --resume {_quoted(resumable(folder))}"


def _quoted(folder: Path) -> str:
    return shlex.quote(str(folder))
