"""Decode one HEIC file, from standard input to standard output: `heic_process.py MAX_PIXELS`.

A program and no module: heif.py runs it for each file, for the C library crashes over some damaged ones. Its answer is a
line of JSON, and behind it the colour profile and the pixels; without pixels if there are too many of them.
"""

from __future__ import annotations

import io
import json
import resource
import sys

NO_LIBRARY = 69  # sysexits.h: a service is unavailable
try:
    import pi_heif
except ImportError:
    sys.exit(NO_LIBRARY)

CPU_S = 10  # as for every picture in the model server; then the system ends the process
MAX_BYTES = 2_000_000_000  # of memory, libraries included: 50 million pixels need 600 MB
# Not I;16, greys of over 8 bits: pi-heif 1.4.0 writes beyond its memory if the picture has fewer bits than its header says.
MODES = ("RGB", "RGBA", "RGBa", "L", "LA", "La")


def main(max_pixels: int) -> None:
    """Read, decode and answer."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))
    pi_heif.options.DECODE_THREADS = 1
    pixels = profile = b""
    try:
        image = pi_heif.HeifImageFile(io.BytesIO(sys.stdin.buffer.read()))
        width, height = image.size
        if width * height <= max_pixels and image.mode in MODES:
            pixels = image.tobytes()
        profile = image.info.get("icc_profile") or b""
        answer = {"size": image.size, "mode": image.mode, "profile_bytes": len(profile)}
    except (OSError, ValueError, SyntaxError, RuntimeError, EOFError, IndexError, MemoryError) as error:
        answer = {"error": str(error)}
    for part in (json.dumps(answer).encode() + b"\n", profile, pixels):
        sys.stdout.buffer.write(part)


if __name__ == "__main__":
    main(int(sys.argv[1]))
