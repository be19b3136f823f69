"""Errors that end a training or a packaging, each a sentence for a person: what was wrong, and what to do."""

from __future__ import annotations

import csv
import errno
import json
import shutil
from pathlib import Path

import yaml


class TrainingError(Exception):
    """The training or packaging cannot go on."""


class WrongInput(TrainingError):
    """The input cannot work: a folder, a name, a number."""


class NetworkRefused(WrongInput):
    """The network cannot be made with these settings, or takes no step with them: the reason in a few words."""


class Preempted(TrainingError):
    """A signal stopped it, and its checkpoint is written."""


def why(error: Exception) -> str:
    """Why a file cannot be read, in a person's words and without the library's numbers."""
    words = " ".join(str(error).split())
    match error:
        case UnicodeError():
            words = "it is no text in UTF-8"
        case json.JSONDecodeError():
            words = error.msg.lower()
        case RecursionError():
            words = "its lists and objects lie too deep in each other"
        case yaml.MarkedYAMLError(problem_mark=mark) if mark is not None:
            words = f"line {mark.line + 1}: {error.problem}"
        case OSError() if error.strerror:
            words = error.strerror.lower()
        case _ if type(error) is csv.Error:  # of what Python's reader refuses, only this can be in a table of ours
            words = f"a cell has more than {csv.field_size_limit():,} characters. Look for a quotation mark that nothing closes"
    return words


_ROOM = "Make room there."
_ROOM_AGAIN = "Make room there, and give the command again."
_PERMISSION = "Change its permissions, or name another place."
_MACHINE = {
    errno.ENOSPC: ("the disk is full", _ROOM),
    errno.EDQUOT: ("your share of the disk is used up", _ROOM),
    errno.EFBIG: ("the file is larger than this disk or this shell allows", "Raise the limit, or name another place."),
    errno.EROFS: ("the disk is read-only", "Name a folder on another disk."),
    errno.EACCES: ("you have no permission", _PERMISSION),
    errno.EPERM: ("you have no permission", _PERMISSION),
    errno.EIO: ("the disk reports an error", "Look at it before you trust it again."),
    errno.EMFILE: ("this shell allows no more open files", "Raise its limit, as ulimit -n 4096, and try again."),
    errno.ENFILE: ("this machine allows no more open files", "End programs that hold many, and try again."),
    errno.ENOMEM: ("the memory is used up", "End other programs, and try again."),
    errno.ENOENT: ("there is no such file or folder", "Check the name."),
    errno.ENOTDIR: (
        "a part of the path is a file, and a folder is needed",
        "Move that file away, or name another place.",
    ),
    errno.EISDIR: ("this is a folder, and a file is needed", "Name a file."),
    errno.EEXIST: ("there is a file of this name already", "Remove it, or name another place."),
    errno.ENAMETOOLONG: ("the name is too long for this disk", "Name a shorter one."),
}


def machine_sentence(error: OSError) -> str | None:
    """What the machine refused, and what to do; None if the error is not about its files, memory or limits."""
    if isinstance(error, shutil.Error):  # of a folder's files, which it lists
        _, target, reason = error.args[0][0]
        return f"{target} cannot be written: {reason}. {_ROOM_AGAIN}"
    if error.errno not in _MACHINE:
        return None
    what, action = _MACHINE[error.errno]
    action = _ROOM_AGAIN if action == _ROOM else action
    name = error.filename2 or error.filename  # of a copy, the target
    return f"{name}: {what}. {action}" if name else f"{what[0].upper()}{what[1:]}. {action}"


def refusal_at(place: Path | None, error: OSError) -> tuple[str, str]:
    """What the machine refused, and what to do, for a sentence that names the place in which it did."""
    what, action = _MACHINE.get(error.errno or 0, (why(error), "Look at it, or name another place."))
    name = error.filename2 or error.filename
    return (f"{what}: {name}" if name and Path(name) != place else what), action
