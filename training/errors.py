"""Errors that end a training or a packaging, each a sentence for a person: what was wrong, and what to do."""

from __future__ import annotations

import errno
import json
import shutil

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
    if isinstance(error, UnicodeError):
        return "it is no text in UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return error.msg.lower()
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return " ".join(str(error).split())


_ROOM = "Make room there, and give the command again."
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
    errno.ENOTDIR: ("a part of the path is a file, and a folder is needed", "Name another place."),
    errno.EISDIR: ("this is a folder, and a file is needed", "Name a file."),
    errno.EEXIST: ("there is a file of this name already", "Remove it, or name another place."),
    errno.ENAMETOOLONG: ("the name is too long for this disk", "Name a shorter one."),
}


def machine_sentence(error: OSError) -> str | None:
    """What the machine refused, and what to do; None if the error is not about its files, memory or limits."""
    if isinstance(error, shutil.Error):  # of a folder's files, which it lists
        _, target, reason = error.args[0][0]
        return f"{target} cannot be written: {reason}. {_ROOM}"
    if error.errno not in _MACHINE:
        return None
    what, action = _MACHINE[error.errno]
    name = error.filename2 or error.filename  # of a copy, the target
    return f"{name}: {what}. {action}" if name else f"{what[0].upper()}{what[1:]}. {action}"
