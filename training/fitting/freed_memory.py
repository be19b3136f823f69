"""Memory that is freed stays with the process: a step asks for the same again at once."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # malloc.h
LARGE = 2**31 - 1


def keep_freed_memory() -> None:
    """On glibc, stop giving large blocks back to the system; it clears each page anew, for up to a quarter of a step.

    Holds for the rest of the process, whose memory then stays at its peak. Elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, LARGE)
        mallopt(M_TOP_PAD, 256 << 20)
