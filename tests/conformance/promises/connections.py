"""How the server treats those who ask wrongly, slowly, or with one side closed."""

from __future__ import annotations

from tests.conformance.pictures import photo
from tests.conformance.responses import check_same, classes_of
from tests.conformance.server import Server


def another_method_is_not_allowed_and_the_response_names_those_that_are(server: Server) -> None:
    answer = server.get(f"/predictions/{server.model}")
    assert answer.status == 405, f"GET /predictions/{server.model} is answered {answer.status}: {answer.body[:200]!r}"
    allowed = {method.strip() for method in answer.headers.get("Allow", "").split(",")}
    assert {"POST", "PUT"} <= allowed, f"405 with Allow: {answer.headers.get('Allow')!r}"


def a_client_that_closes_its_own_side_gets_its_answer(server: Server) -> None:
    """As `nc -N` does, and clients that mark the end of a request like this."""
    check_same(classes_of(server.post_half_closed(photo())), classes_of(server.post(photo())))


def half_a_header_does_not_keep_a_connection_open(server: Server) -> None:
    assert server.hangs_up_on(b"POST /predictions/x HTTP/1.1\r\nHost: x\r\nX-Half: "), (
        f"a connection with half a header is open after {server.patience_s:g} s"
    )


PROMISES = (
    another_method_is_not_allowed_and_the_response_names_those_that_are,
    a_client_that_closes_its_own_side_gets_its_answer,
    half_a_header_does_not_keep_a_connection_open,
)
