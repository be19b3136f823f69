"""Many images as one body: an uncompressed tar whose files are named "0", "1", ... No I/O."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence

END = bytes(2 * tarfile.BLOCKSIZE)


def names_of(count: int) -> list[str]:
    """The names of so many images in a tar: ours, and never their keys."""
    return [str(nth) for nth in range(count)]


def tar_of(images: Sequence[bytes]) -> list[bytes]:
    """The pieces of the tar, to be sent one after another: the images' bytes are not copied."""
    pieces: list[bytes] = []
    for name, data in zip(names_of(len(images)), images, strict=True):
        header = tarfile.TarInfo(name)
        header.size = len(data)
        pieces += [header.tobuf(tarfile.USTAR_FORMAT), data, bytes(-len(data) % tarfile.BLOCKSIZE)]
    return [*pieces, END]
