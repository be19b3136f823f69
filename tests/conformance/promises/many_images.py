"""Many images in one request; a server that does not take them refuses cleanly, and then gets single images."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from tarfile import RECORDSIZE
from typing import Any

from tests.conformance.pictures import TEXT, cut_short, of_size, photo
from tests.conformance.responses import (
    check_model,
    check_predictions,
    check_reason,
    check_refused,
    check_same,
    classes_of,
)
from tests.conformance.server import Named, NotOffered, Response, Server, tar_of

MOST = 64  # images in one request
MOST_BYTES = 64 * 2**20


def a_tar_is_answered_image_by_image_in_its_order_or_refused_cleanly(server: Server) -> None:
    _require_tars(server)
    images = [(f"photos/{number} é.jpg", photo(number)) for number in range(5)]
    for entry, (_, data) in zip(_answers(server.post(tar_of(images)), images), images, strict=True):
        check_same(_classes(entry), classes_of(server.post(data)))


def a_bad_image_in_a_tar_has_its_own_refusal_and_its_neighbours_their_classes(server: Server) -> None:
    _require_tars(server)
    images = [("a.jpg", photo(0)), ("b", TEXT), ("c.jpg", photo(1)), ("d.jpg", cut_short()), ("e", b"")]
    entries = _answers(server.post(tar_of(images)), images)
    assert [entry["status"] for entry in entries] == [200, 415, 200, 422, 400]
    for entry, code in zip(entries, (None, "unsupported_format", None, "unreadable", "empty"), strict=True):
        if code is not None:
            check_reason(entry, code)


def a_tar_of_bad_images_alone_is_answered_too(server: Server) -> None:
    _require_tars(server)
    images = [("a", TEXT), ("b", TEXT)]
    assert [entry["status"] for entry in _answers(server.post(tar_of(images)), images)] == [415, 415]


def a_tar_of_one_image_is_answered_as_a_list(server: Server) -> None:
    _require_tars(server)
    _answers(server.post(tar_of([("a.jpg", photo())])), [("a.jpg", photo())])


def tars_of_every_usual_kind_are_read(server: Server) -> None:
    _require_tars(server)
    images = [(f"{'long/' * 30}{number}.jpg", photo(number)) for number in range(2)]
    for kind in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        _answers(server.post(tar_of(images, kind)), images)


def sixty_four_images_are_taken_at_once_and_more_are_too_large(server: Server) -> None:
    _require_tars(server)
    images = [(f"{number}.jpg", photo(0)) for number in range(MOST)]
    _answers(server.post(tar_of(images)), images)
    check_refused(server.post(tar_of([*images, ("one more", photo())])), 413, "too_large")


def sixty_four_mebibytes_are_taken_at_once_and_more_are_too_large(server: Server) -> None:
    """Of images that are each small enough; a tar grows by ten kibibytes at a time."""
    _require_tars(server)
    images = [(f"{number}.png", of_size(9 * 2**20)) for number in range(6)]
    used = 7 * 512 + 6 * 9 * 2**20 + 1024  # a header for each, and the tar's end
    fits = [*images, ("last.png", of_size(MOST_BYTES // RECORDSIZE * RECORDSIZE - used))]
    _answers(server.post(tar_of(fits)), fits)
    over = tar_of([*images, ("last.png", fits[-1][1] + b"x")])
    assert MOST_BYTES < len(over) <= MOST_BYTES + RECORDSIZE
    check_refused(server.post(over), 413, "too_large")


def a_tar_that_is_piped_in_is_read_to_its_end(server: Server) -> None:
    """`tar cf - *.jpg | curl -T - URL`: in chunks, of unannounced length."""
    _require_tars(server)
    images = [(f"{number}.jpg", photo(number)) for number in range(3)]
    for entry, (_, data) in zip(_answers(server.pipe(tar_of(images)), images), images, strict=True):
        check_same(_classes(entry), classes_of(server.post(data)))


def a_tar_that_cannot_be_read_is_a_bad_request_and_says_nothing_of_its_images(server: Server) -> None:
    _require_tars(server)
    whole = tar_of([("a.jpg", photo(0)), ("b.jpg", photo(1))])
    check_refused(server.post(whole[: len(whole) // 4]), 400, "bad_request")
    check_refused(server.post(tar_of([("a.jpg", photo(0))])[:512] + bytes(1024)), 400, "bad_request")


def top_k_counts_for_every_image_of_a_tar(server: Server) -> None:
    _require_tars(server)
    images = [(f"{number}.jpg", photo(number)) for number in range(2)]
    entries = _answers(server.post(tar_of(images), "?top_k=1"), images)
    assert [len(entry["predictions"]) for entry in entries] == [1, 1]


def the_file_fields_of_a_form_are_answered_by_their_names(server: Server) -> None:
    _require_tars(server)
    images = [("first", photo(0)), ("second", TEXT), ("third", photo(1))]
    entries = _answers(server.post_form(images), images)
    assert [entry["status"] for entry in entries] == [200, 415, 200]
    check_same(_classes(entries[2]), classes_of(server.post(photo(1))))


def _require_tars(server: Server) -> None:
    """Raises NotOffered if two good images in a tar are refused as one bad one is, cleanly."""
    answer = server.post(tar_of([("a.jpg", photo(0)), ("b.jpg", photo(1))]))
    if 400 <= answer.status < 500:
        check_reason(answer.document, answer.document.get("code"))
        raise NotOffered("This server takes one image at a time.")
    assert answer.status == 200, f"a tar is answered {answer.status}: {answer.body[:200]!r}"


def _answers(answer: Response, images: Named) -> Sequence[dict[str, Any]]:
    """The entries of a response to these images, in their order and by their names."""
    assert answer.status == 200, f"{len(images)} images are answered {answer.status}: {answer.body[:200]!r}"
    document = answer.document
    check_model(document.get("model"))
    assert isinstance(document.get("timings"), dict), f"`timings` is {document.get('timings')!r}"
    entries: list[dict[str, Any]] = document.get("answers")
    assert isinstance(entries, list), f"`answers` is {entries!r}"
    assert [entry.get("name") for entry in entries] == [name for name, _ in images]
    for entry in entries:
        if entry["status"] == 200:
            check_predictions(entry)
        else:
            check_reason(entry, entry["code"])
    return entries


def _classes(entry: dict[str, Any]) -> dict[str, float]:
    assert entry["status"] == 200, f"{entry['name']} is answered {entry['status']}"
    return {it["label"]: it["probability"] for it in entry["predictions"]}


PROMISES = (
    a_tar_is_answered_image_by_image_in_its_order_or_refused_cleanly,
    a_bad_image_in_a_tar_has_its_own_refusal_and_its_neighbours_their_classes,
    a_tar_of_bad_images_alone_is_answered_too,
    a_tar_of_one_image_is_answered_as_a_list,
    tars_of_every_usual_kind_are_read,
    sixty_four_images_are_taken_at_once_and_more_are_too_large,
    sixty_four_mebibytes_are_taken_at_once_and_more_are_too_large,
    a_tar_that_is_piped_in_is_read_to_its_end,
    a_tar_that_cannot_be_read_is_a_bad_request_and_says_nothing_of_its_images,
    top_k_counts_for_every_image_of_a_tar,
    the_file_fields_of_a_form_are_answered_by_their_names,
)
