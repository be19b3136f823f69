"""The server's state: whether it can answer, and what it says when it cannot answer now."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.conformance.pictures import photo
from tests.conformance.server import NotOffered, Server, tar_of

SENDERS = 24
IMAGES_EACH = 64


def ping_says_healthy_while_images_are_answered(server: Server) -> None:
    answer = server.get("/ping")
    assert answer.status == 200, f"/ping answers {answer.status}: {answer.body[:200]!r}"
    assert answer.document.get("status") == "Healthy"


def a_busy_server_sends_a_retry_after(server: Server) -> None:
    """Many large requests at once: each is answered or gets a 503; none is cut, and none is called bad."""
    body = tar_of([(f"{number}.jpg", photo(0)) for number in range(IMAGES_EACH)])
    if 400 <= server.post(body).status < 500:
        body = photo()
    with ThreadPoolExecutor(SENDERS) as senders:
        answers = list(senders.map(server.post, [body] * SENDERS))
    assert {answer.status for answer in answers} <= {200, 503}
    later = [answer for answer in answers if answer.status == 503]
    for answer in later:
        assert answer.headers.get("Retry-After", "").isdecimal(), "503 without Retry-After in seconds"
        document = answer.document
        assert (document.get("code"), isinstance(document.get("message"), str)) == (503, True), f"503 says {document!r}"
    assert server.post(photo()).status == 200
    if not later:
        raise NotOffered("The queue was never full.")


def without_a_known_token_a_request_is_unauthorized(server: Server) -> None:
    if server.token is None:
        raise NotOffered("No MODEL_SERVER_TOKEN was given: whether the server lets in others was not looked at.")
    assert server.post(photo()).status == 200
    for token in (None, f"{server.token}-not"):
        stranger = Server(server.url, server.model, token)
        answer = stranger.post(photo())
        given = "no token" if token is None else "a wrong token"
        assert answer.status == 401, f"who brings {given} is answered {answer.status}: {answer.body[:200]!r}"
        scheme = answer.headers.get("WWW-Authenticate", "")
        assert scheme.partition(" ")[0].lower() == "bearer", f"401 with WWW-Authenticate: {scheme!r}"
        document = answer.document
        assert (document.get("code"), isinstance(document.get("message"), str)) == (401, True), f"401 says {document!r}"
        assert stranger.get("/ping").status == 200, f"/ping wants a token: who brings {given} is refused"


PROMISES = (
    ping_says_healthy_while_images_are_answered,
    a_busy_server_sends_a_retry_after,
    without_a_known_token_a_request_is_unauthorized,
)
