"""Why a worker of TorchServe died, from TorchServe's logs."""

from __future__ import annotations

import re
from pathlib import Path

MODEL_LOG, SERVER_LOG = "model_log.log", "ts_log.log"
_DIED = "Backend worker process died."
_OURS = re.compile(r"^[\w.]*\bModelRefused: ")  # its sentence says all
_CHAINED = ("The above exception was the direct cause", "During handling of the above exception")


def death_reason(logs: Path, model: str, file: str) -> str | None:
    """Why a worker of this model died or its archive was not taken, in the words of the log; None if the log holds neither.

    The reason is the exception under the last Python traceback in the log that TorchServe copied from the output of a
    worker that died. A traceback that a living worker logged is none.
    """
    of_model = re.compile(rf" (W-\d+)-{re.escape(model)}_[^ _]*-std(out|err) ")  # the worker: its port, model, version
    workers: dict[str, list[tuple[int, str]]] = {}  # they write at the same time, and their lines are mixed
    for number, line in enumerate(lines_of(logs / MODEL_LOG)):
        if found := of_model.search(line):
            workers.setdefault(found[1], []).append((number, line))
    if deaths := list(filter(None, map(_last_death, workers.values()))):
        return max(deaths)[1]
    log = lines_of(logs / SERVER_LOG)
    refused = (number for number, line in enumerate(log) if line.endswith(f"Failed to load model: {file}"))
    words = next((" ".join(log[number : number + 2]) for number in refused), "")
    return f"TorchServe says: {words.partition(' - ')[2]}" if words else None


def _last_death(lines: list[tuple[int, str]]) -> tuple[int, str] | None:
    """The exception that one worker died of last, after the number of its traceback's line, from its numbered lines.

    None while the traceback is still being written: the next look finds its end.
    """
    text = [line.partition(" MODEL_LOG - ")[2] for _, line in lines]
    tracebacks = [
        place
        for place, line in enumerate(text)
        if line.startswith("Traceback ") and ("-stderr " in lines[place][1] or _follows_a_death(text, place))
    ]
    if not tracebacks:
        return None
    exceptions = (line for line in text[tracebacks[-1] + 1 :] if line and not line.startswith(" "))
    exception = next(exceptions, None)
    return None if exception is None else (lines[tracebacks[-1]][0], _OURS.sub("", exception))


def _follows_a_death(text: list[str], traceback: int) -> bool:
    """Whether this traceback is the worker's last word, or the cause of that, which Python prints before it."""
    before = next((number for number in range(traceback - 1, -1, -1) if text[number]), None)
    if before is None:
        return False
    if text[before].startswith(_CHAINED):
        earlier = (number for number in range(before, -1, -1) if text[number].startswith("Traceback "))
        return _follows_a_death(text, next(earlier, 0))
    return text[before] == _DIED


def set_aside(logs: Path) -> None:
    """Keep the logs of the TorchServe before this one under another name: its deaths are not this one's."""
    for name in (MODEL_LOG, SERVER_LOG):
        if (logs / name).exists():
            (logs / name).replace(logs / f"{name}.before")


def tail(log: Path) -> str:
    """The last three lines of a log, in one."""
    return " / ".join(lines_of(log)[-3:]) or f"it wrote nothing to {log}"


def lines_of(log: Path) -> list[str]:
    """All lines of a log; none if there is no such file."""
    try:
        return log.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:  # or just set aside
        return []
