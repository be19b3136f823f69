"""Conversions before the model sees a picture; a server that leaves one out silently gives other classes.

Each odd file is compared with the same picture as a plain, upright, opaque PNG of 8 bits: both must get the same classes.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.conformance.conversions import Odd, of_several_frames, sixteen_bit, transparent, turned
from tests.conformance.responses import classes_of, differences
from tests.conformance.server import NotOffered, Server


def exif_turns_a_picture_upright(server: Server) -> None:
    _check("EXIF turns the image upright", turned(), server)


def transparency_lies_on_white(server: Server) -> None:
    _check("transparency lies on white", transparent(), server)


def greys_of_sixteen_bits_are_scaled(server: Server) -> None:
    _check("greys of 16 bits are scaled", sixteen_bit(), server)


def of_several_frames_the_first_counts(server: Server) -> None:
    _check("of several frames the first counts", of_several_frames(), server)


def _check(promise: str, files: Sequence[Odd], server: Server) -> None:
    """Raises NotOffered if the model gives the same classes with and without the conversion."""
    apart = False
    for odd in files:
        found, seen, mistaken = (_classes(body, odd.kind, server) for body in odd[1:])
        assert not differences(found, seen), (
            f"{promise}: not so with a {odd.kind}. It is answered {_in_words(found)}; the same picture in a plain "
            f"PNG {_in_words(seen)}; as a server sees it that leaves this out, {_in_words(mistaken)}"
        )
        apart = apart or bool(differences(mistaken, seen))
    if not apart:
        raise NotOffered(f"This model gives the same classes whether or not {promise}: it cannot be tested.")


def _classes(body: bytes, kind: str, server: Server) -> dict[str, float]:
    answer = server.post(body)
    assert answer.status == 200, f"a {kind} is answered {answer.status}: {answer.body[:200]!r}"
    return classes_of(answer)


def _in_words(classes: dict[str, float]) -> str:
    return ", ".join(f"{label} {probability:.3f}" for label, probability in classes.items())


PROMISES = (
    exif_turns_a_picture_upright,
    transparency_lies_on_white,
    greys_of_sixteen_bits_are_scaled,
    of_several_frames_the_first_counts,
)
