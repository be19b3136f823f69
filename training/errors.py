"""Errors that end a training or a packaging, each a sentence for a person: what was wrong, and what to do."""

from __future__ import annotations

import errno
import shutil


class TrainingError(Exception):
    """The training or packaging cannot go on."""


class WrongInput(TrainingError):
    """The input cannot work: a folder, a name, a number."""


class NetworkRefused(WrongInput):
    """The network cannot be made with these settings, or takes no step with them: the reason in a few words."""


class Preempted(TrainingError):
    """A signal stopped it, and its checkpoint is written."""


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
    errno.ENAMETOOLONG: ("the name is too long for this disk", "Name a shorter one."),
}


def machine_sentence(error: OSError) -> str | None:
    """What the machine refused, and what to do; None if the error is not about its disk, memory or limits."""
    if isinstance(error, shutil.Error):  # of a folder's files, which it lists
        _, target, reason = error.args[0][0]
        return f"{target} cannot be written: {reason}. {_ROOM}"
    if error.errno not in _MACHINE:
        return None
    what, action = _MACHINE[error.errno]
    name = error.filename2 or error.filename  # of a copy, the target
    return f"{name}: {what}. {action}" if name else f"{what[0].upper()}{what[1:]}. {action}"
