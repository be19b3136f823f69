"""One image in one request."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

from PIL import Image

from tests.conformance.pictures import TEXT, cut_short, photo, usual_kinds
from tests.conformance.responses import check_refused, check_same, classes_of
from tests.conformance.server import NotOffered, Server

# What senders call a photo: right, wrong, and curl's own default.
CONTENT_TYPES = ("image/jpeg", "image/png", "text/plain", "application/x-www-form-urlencoded")
NO_SUCH_THING = (404, 405, 501)


def an_image_gets_its_classes_best_first(server: Server) -> None:
    classes_of(server.post(photo()))


def an_image_is_answered_the_same_way_twice(server: Server) -> None:
    check_same(classes_of(server.post(photo(1))), classes_of(server.post(photo(1))))


def the_body_is_the_image_whatever_its_content_type(server: Server) -> None:
    expected = classes_of(server.post(photo()))
    for content_type in CONTENT_TYPES:
        check_same(classes_of(server.post(photo(), Content_Type=content_type)), expected)


def an_image_that_is_put_is_answered_like_one_that_is_posted(server: Server) -> None:
    check_same(classes_of(server.put(photo())), classes_of(server.post(photo())))


def an_image_in_chunks_of_unannounced_length_is_read_to_its_end(server: Server) -> None:
    expected = classes_of(server.post(photo()))
    for method in ("POST", "PUT"):
        check_same(classes_of(server.pipe(photo(), method)), expected)


def an_image_in_a_form_is_answered_like_a_body_whatever_its_field_is_called(server: Server) -> None:
    expected = classes_of(server.post(photo()))
    for name in ("data", "body", "picture"):
        check_same(classes_of(server.post_form([(name, photo())])), expected)


def pictures_of_every_usual_kind_are_looked_at(server: Server) -> None:
    for kind, data in usual_kinds().items():
        answer = server.post(data)
        assert answer.status == 200, f"{kind}: {answer.status} {answer.body[:200]!r}"


def the_version_may_be_named(server: Server) -> None:
    answer = server.post(photo())
    version = answer.document["model"]["version"]
    check_same(classes_of(server.post(photo(), f"/{version}")), classes_of(answer))
    assert server.post(photo(), "/999.999").status == 404


def top_k_says_how_many_classes_are_named_in_the_query_or_in_a_header(server: Server) -> None:
    assert len(classes_of(server.post(photo(), "?top_k=1"))) == 1
    assert len(classes_of(server.post(photo(), X_Top_K="1"))) == 1
    assert len(classes_of(server.post(photo(), "?top_k=2"))) == 2
    assert len(classes_of(server.post(photo()))) <= 3


def a_bad_image_never_harms_those_that_are_sent_at_the_same_time(server: Server) -> None:
    bodies = [photo(0), TEXT, photo(1), cut_short(2), photo(3), b""]
    alone = [server.post(body) for body in bodies]
    with ThreadPoolExecutor(len(bodies)) as senders:
        for _ in range(3):
            together = list(senders.map(server.post, bodies))
            assert [it.status for it in together] == [it.status for it in alone]
            for body in (0, 2, 4):
                check_same(classes_of(together[body]), classes_of(alone[body]))


def an_explanation_is_a_picture_for_the_best_class(server: Server) -> None:
    answer = server.post(photo(), verb="explanations")
    if answer.status in NO_SUCH_THING:
        raise NotOffered("This server explains nothing.")
    assert answer.status == 200, f"{answer.status}: {answer.body[:200]!r}"
    assert answer.headers["Content-Type"] == "image/png"
    Image.open(io.BytesIO(answer.body), formats=["PNG"]).load()
    best, probability = next(iter(classes_of(server.post(photo())).items()))
    assert unquote(answer.headers["X-Label"]) == best
    assert abs(float(answer.headers["X-Probability"]) - probability) <= 0.05
    check_refused(server.post(TEXT, verb="explanations"), 415, "unsupported_format")


PROMISES = (
    an_image_gets_its_classes_best_first,
    an_image_is_answered_the_same_way_twice,
    the_body_is_the_image_whatever_its_content_type,
    an_image_that_is_put_is_answered_like_one_that_is_posted,
    an_image_in_chunks_of_unannounced_length_is_read_to_its_end,
    an_image_in_a_form_is_answered_like_a_body_whatever_its_field_is_called,
    pictures_of_every_usual_kind_are_looked_at,
    the_version_may_be_named,
    top_k_says_how_many_classes_are_named_in_the_query_or_in_a_header,
    a_bad_image_never_harms_those_that_are_sent_at_the_same_time,
    an_explanation_is_a_picture_for_the_best_class,
)
