"""Pillow and libtiff write on the terminal what is odd in a file, without the file's name: they are made silent."""

from __future__ import annotations

import ctypes
import logging
import warnings
from contextlib import suppress
from functools import cache

from PIL import _imaging


@cache
def silence_decoders() -> None:
    """For this process, once: what matters of a file is in its rejection.

    libtiff's function is called as it is, for Pillow has no word for it; where it is not found, libtiff goes on.
    """
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    logging.getLogger("PIL").addHandler(logging.NullHandler())  # else Python prints what no logger wants
    with suppress(AttributeError, OSError):
        ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)
