"""The image's fault, or the request's: a 4xx with its code, which is not sent again."""

from __future__ import annotations

from tests.conformance.pictures import ICON, PDF, SVG, TEXT, cut_short, of_size, photo, too_many_pixels
from tests.conformance.responses import check_refused
from tests.conformance.server import Server

IMAGE_BYTES = 10 * 2**20
ENDLESS_BYTES = 2**40


def a_request_without_an_image_is_called_empty(server: Server) -> None:
    check_refused(server.post(b""), 400, "empty")


def what_is_no_picture_is_called_unsupported(server: Server) -> None:
    for body in (TEXT, SVG, PDF, ICON, bytes(1000)):
        check_refused(server.post(body), 415, "unsupported_format")


def a_damaged_picture_is_called_unreadable(server: Server) -> None:
    for body in (cut_short(), photo()[:20] + bytes(2000)):
        check_refused(server.post(body), 422, "unreadable")


def a_picture_of_too_many_pixels_is_refused_before_it_fills_the_memory(server: Server) -> None:
    check_refused(server.post(too_many_pixels()), 422, "too_many_pixels")


def a_wrong_top_k_is_a_bad_request(server: Server) -> None:
    for wrong in ("0", "-1", "1000000", "two", "1.5", ""):
        check_refused(server.post(photo(), f"?top_k={wrong}"), 400, "bad_request")
    check_refused(server.post(photo(), X_Top_K="two"), 400, "bad_request")


def ten_mebibytes_are_taken_and_a_byte_more_is_too_large(server: Server) -> None:
    whole = server.post(of_size(IMAGE_BYTES))
    assert whole.status == 200, f"an image of just 10 MiB is answered {whole.status}: {whole.body[:200]!r}"
    check_refused(server.post(of_size(IMAGE_BYTES + 1)), 413, "too_large")


def a_body_of_any_size_is_refused_before_all_of_it_is_read(server: Server) -> None:
    check_refused(server.begin_upload(ENDLESS_BYTES), 413, "too_large")


def an_unknown_model_is_not_found(server: Server) -> None:
    unknown = Server(server.url, "no-such-model", server.token)
    assert unknown.post(photo()).status == 404


PROMISES = (
    a_request_without_an_image_is_called_empty,
    what_is_no_picture_is_called_unsupported,
    a_damaged_picture_is_called_unreadable,
    a_picture_of_too_many_pixels_is_refused_before_it_fills_the_memory,
    a_wrong_top_k_is_a_bad_request,
    ten_mebibytes_are_taken_and_a_byte_more_is_too_large,
    a_body_of_any_size_is_refused_before_all_of_it_is_read,
    an_unknown_model_is_not_found,
)
