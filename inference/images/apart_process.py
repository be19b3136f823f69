"""Read pictures for another process, one after another, until standard input ends.

A program: apart.py runs it, for a decoder that crashes takes its process with it. Its argument is a line of JSON, the
transform and the limits; a picture comes as its length in 8 bytes and its bytes, and goes as a line of JSON and its pixels.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from typing import Any

import numpy as np

from inference.images.pixels import EvalTransform, model_input
from inference.images.reading import UnreadableImage

MAX_BYTES = 3_000_000_000  # of memory, libraries included; the largest picture needs 1.2 GB


def main(argument: str) -> None:
    """Read and answer."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))
    asked = json.loads(argument)
    transform = EvalTransform(**(asked["transform"] | {"fill": tuple(asked["transform"]["fill"])}))
    source, target = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    while length := source.read(8):
        data = source.read(int.from_bytes(length, "big"))
        try:
            pixels = np.ascontiguousarray(model_input(data, transform, max_pixels=asked["max_pixels"]))
            answer: dict[str, Any] = {"shape": pixels.shape}
            content = pixels.tobytes()
        except UnreadableImage as unreadable:
            answer, content = {"code": unreadable.code, "reason": unreadable.reason}, b""
        target.write(json.dumps(answer).encode() + b"\n" + content)
        target.flush()


if __name__ == "__main__":
    main(sys.argv[1])
