"""HEIC and AVIF, as phones make them: each on one thread, HEIC in a process of its own."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from signal import SIGXCPU

from PIL import AvifImagePlugin, Image

PROGRAM = Path(__file__).with_name("heic_process.py")
NO_LIBRARY = 69  # the program's exit code without pi-heif
PATIENCE_S = 60.0  # on the wall: 10 s of a processor that others use, too

# One thread: readers.py reads several images at once, and stops one by the CPU time of its thread.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1


class TooSlow(Exception):
    """The decoder was ended after its limit of CPU time."""


class NoDecoder(Exception):
    """The decoder cannot be started: the machine's fault, not the image's."""


def decode_heic(data: bytes, max_pixels: int, program: Path = PROGRAM) -> tuple[tuple[int, int], Image.Image | None]:
    """The size of an HEIC file's main picture, and the picture; libheif carries out its own turns (irot, imir).

    None for the picture if it has too many pixels, or if it is a grey of over 8 bits. Raises TooSlow, NoDecoder, and
    ValueError for damage; a crash of the decoder is damage.
    """
    run = [sys.executable, "-P", str(program), str(max_pixels)]
    try:
        done = subprocess.run(run, input=data, capture_output=True, timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise TooSlow from error
    except OSError as error:
        raise NoDecoder(f"A process to decode an HEIC could not be started ({error}).") from error
    if done.returncode == NO_LIBRARY:
        raise NoDecoder("pi-heif is not installed, which decodes HEIC: install the requirements again.")
    if done.returncode == -SIGXCPU:
        raise TooSlow
    if done.returncode:
        raise ValueError(f"its decoder ended with {done.returncode}")
    begin = done.stdout.index(b"\n") + 1
    answer = json.loads(done.stdout[:begin])
    if "error" in answer:
        raise ValueError(answer["error"])
    width, height = answer["size"]
    end = begin + answer["profile_bytes"]
    if end == len(done.stdout):
        return (width, height), None
    image = Image.frombytes(answer["mode"], (width, height), memoryview(done.stdout)[end:])
    image.format = "HEIF"
    if begin < end:
        image.info["icc_profile"] = done.stdout[begin:end]
    return (width, height), image


def open_avif(data: bytes) -> Image.Image:
    """The first picture of an AVIF file, not decoded yet."""
    return AvifImagePlugin.AvifImageFile(io.BytesIO(data))
