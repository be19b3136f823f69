"""The reader's program with a decoder that misbehaves over some bytes."""

from __future__ import annotations

import os
import sys
import time

from inference.images import apart_process
from inference.images.pixels import EvalTransform, Pixels, Resize, model_input, pillow_resize
from inference.images.reading import MAX_PIXELS


def misbehaving(
    data: bytes, transform: EvalTransform, *, max_pixels: int = MAX_PIXELS, resize: Resize = pillow_resize
) -> Pixels:
    if data == b"crash":
        os.abort()
    if data == b"burn":
        began = time.process_time()
        while time.process_time() - began < 60:
            sum(range(1000))
    sys.stdout.write("a library's words\n")
    sys.stdout.flush()
    return model_input(data, transform, max_pixels=max_pixels, resize=resize)


if __name__ == "__main__":
    vars(apart_process)["model_input"] = misbehaving
    apart_process.main(sys.argv[1])
