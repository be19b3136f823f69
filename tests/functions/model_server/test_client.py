"""Every response of the model server, and what the client makes of it."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any, get_args

import pytest

from pipeline.contracts import RejectionCode, ServerAnswer
from pipeline.errors import Answer, ImageRejected, ModelUnavailable, NotTogether
from pipeline.model_server import client as model_client
from pipeline.model_server.client import IMAGES_A_TAR, KEEP_ALIVE_S, NO_TARS_FOR_S, ModelClient
from tests.functions.factories import ANSWERED, JPEG, server_answer
from tests.functions.fake_model_server import ModelServer, Reply, answering, answers, each


class WallClock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def wall_clock() -> WallClock:
    return WallClock()


@pytest.fixture
def client(model_server: ModelServer, wall_clock: WallClock) -> ModelClient:
    return ModelClient(model_server.url, "balls", timeout_s=20, now_s=wall_clock)


def ask(client: ModelClient, data: bytes = JPEG) -> Answer:
    [answer] = client.ask([data], budget_s=60)
    return answer


def rejection_body(code: str = "unreadable", **changes: object) -> bytes:
    return json.dumps({"code": code, "error": "The JPEG ends early: upload it again.", **changes}).encode()


def test_a_response_is_read(client: ModelClient, model_server: ModelServer) -> None:
    assert ask(client) == server_answer()
    assert model_server.paths == ["/predictions/balls"]


def test_the_image_is_sent_byte_for_byte(client: ModelClient, model_server: ModelServer) -> None:
    sent = bytes(range(256)) * 5000
    model_server.reply = lambda received: answering() if received == sent else Reply(500, b"")
    assert ask(client, sent) == server_answer()


def test_an_unknown_field_of_a_newer_server_is_ignored(client: ModelClient, model_server: ModelServer) -> None:
    newer = server_answer().model_dump() | {"embedding": [0.1, 0.2]}
    model_server.reply = lambda _: Reply(200, json.dumps(newer).encode())
    assert ask(client) == server_answer()


PREDICTION = '{"label": "golf ball", "probability": %s}'
MODEL = '"model": {"name": "balls", "version": "1.0"}'


@pytest.mark.parametrize(
    "body",
    [
        "",
        "Prediction failed",
        "[0.9, 0.1]",
        '{"golf ball": 0.9}',
        f'{{{MODEL}, "predictions": []}}',
        f'{{{MODEL}, "predictions": [{PREDICTION % "NaN"}]}}',
        f'{{{MODEL}, "predictions": [{PREDICTION % "Infinity"}]}}',
        f'{{{MODEL}, "predictions": [{PREDICTION % 1.5}]}}',
        f'{{{MODEL}, "predictions": [{{"label": "", "probability": 0.5}}]}}',
        f'{{{MODEL}, "predictions": [{PREDICTION % 0.1}, {{"label": "baseball", "probability": 0.8}}]}}',
        f'{{{MODEL}, "predictions": [{PREDICTION % 0.8}, {{"label": "baseball", "probability": 0.7}}]}}',
        f'{{{MODEL}, "predictions": [{PREDICTION % 0.5}, {PREDICTION % 0.5}]}}',
    ],
)
def test_a_200_that_is_no_response_is_the_servers_fault(
    client: ModelClient, model_server: ModelServer, body: str
) -> None:
    """NaN, infinity, a wrong order, one label twice, a sum above 1."""
    model_server.reply = lambda _: Reply(200, body.encode())
    with pytest.raises(ModelUnavailable, match="answered 200 with a body that is no answer"):
        ask(client)


@pytest.mark.parametrize("code", ["unreadable", "too_many_pixels", "unsupported_format", "too_large", "too_slow"])
@pytest.mark.parametrize("status", [400, 415, 422])
def test_a_rejection_of_the_image_keeps_the_servers_sentence_and_model(
    client: ModelClient, model_server: ModelServer, status: int, code: str
) -> None:
    model_server.reply = lambda _: Reply(status, rejection_body(code, model=ANSWERED.model_dump()))
    rejected = ask(client)
    assert isinstance(rejected, ImageRejected)
    assert (rejected.code, rejected.reason, rejected.model) == (code, "The JPEG ends early: upload it again.", ANSWERED)


def test_a_body_that_the_server_finds_too_large_is_the_images_fault(
    client: ModelClient, model_server: ModelServer
) -> None:
    """TorchServe's max_request_size."""
    model_server.reply = lambda _: Reply(413, b'{"code": 413, "type": "TooLarge", "message": "Request is too large"}')
    rejected = ask(client)
    assert isinstance(rejected, ImageRejected)
    assert (rejected.code, f"{len(JPEG)} bytes as too large" in rejected.reason) == ("too_large", True)


@pytest.mark.parametrize(
    ("status", "body", "what_to_check"),
    [
        (
            404,
            b'{"code": 404, "type": "ModelNotFoundException", "message": "Model not found: balls"}',
            "registered there",
        ),
        (400, b'{"code": 400, "type": "InvalidKeyException", "message": "Token Authorization failed"}', "token"),
        (401, b"", "token"),
        (403, b"<html>Forbidden</html>", "token"),
        (429, b"", "overloaded"),
        (422, rejection_body("a code of tomorrow"), "is it up"),
        (301, b"", "is it up"),
        (500, rejection_body(), "is it up"),
        (
            503,
            b'{"code": 503, "type": "ServiceUnavailableException", "message": "Model balls has no worker"}',
            "overloaded",
        ),
        (507, b"", "is it up"),
    ],
)
def test_whatever_else_it_says_is_not_the_images_fault(
    client: ModelClient, model_server: ModelServer, status: int, body: bytes, what_to_check: str
) -> None:
    model_server.reply = lambda _: Reply(status, body)
    with pytest.raises(ModelUnavailable, match=rf"answered {status}: .*{what_to_check}"):
        ask(client)


def test_one_call_is_one_request_whatever_happens(client: ModelClient, model_server: ModelServer) -> None:
    """SQS is the one layer that retries."""
    replies = iter((Reply(503, b""), Reply(500, b""), Reply(429, b"")))
    model_server.reply = lambda _: next(replies)
    for _ in range(3):
        with pytest.raises(ModelUnavailable):
            ask(client)
    assert len(model_server.paths) == 3


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: refused
        client = ModelClient(f"http://127.0.0.1:{unused.getsockname()[1]}", "balls", timeout_s=20)
        with pytest.raises(ModelUnavailable, match=r"did not answer .* is it up"):
            ask(client)


def hang_up_once(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    connection.close()


def test_a_server_that_hangs_up_without_a_response_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as thread:
        hanging_up = thread.submit(hang_up_once, listening)
        client = ModelClient(f"http://127.0.0.1:{listening.getsockname()[1]}", "balls", timeout_s=20)
        with pytest.raises(ModelUnavailable, match="did not answer"):
            ask(client)
        hanging_up.result()


def test_a_server_that_is_too_slow_is_unavailable_after_the_shorter_of_time_out_and_budget(
    model_server: ModelServer,
) -> None:
    released = Event()
    model_server.reply = lambda _: (released.wait(30), answering())[1]
    for timeout_s, budget_s in ((0.05, 30), (30, 0.05)):
        client = ModelClient(model_server.url, "balls", timeout_s=timeout_s)
        with pytest.raises(ModelUnavailable, match="timed out"):
            client.ask([JPEG], budget_s=budget_s)
    released.set()


def read_slowly(listening: socket.socket, size: int, seconds: float) -> None:
    """Read so many bytes in so much time, and answer."""
    connection, _ = listening.accept()
    with connection:
        left, steps = size, 40
        while left > 0:
            wanted = min(left, size // steps)
            while wanted > 0:
                wanted -= (got := len(connection.recv(wanted)))
                left -= got
            time.sleep(seconds / steps)
        body = answering().body
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def test_a_large_image_may_take_longer_to_send_than_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """urllib3 leaves the connect time-out on a fresh connection until the response is read."""
    monkeypatch.setattr(model_client, "CONNECT_TIMEOUT_S", 1.0)
    size = 12 * 2**20
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as thread:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        reading = thread.submit(read_slowly, listening, size + 150, 2.5)
        client = ModelClient(f"http://127.0.0.1:{listening.getsockname()[1]}", "balls", timeout_s=20)
        assert ask(client, bytes(size)) == server_answer()
        reading.result()


def test_without_time_left_no_request_is_sent(client: ModelClient, model_server: ModelServer) -> None:
    with pytest.raises(ModelUnavailable, match="no time was left"):
        client.ask([JPEG], budget_s=-0.5)
    assert model_server.paths == []


def test_a_connection_is_kept_between_calls(client: ModelClient, model_server: ModelServer) -> None:
    for _ in range(3):
        ask(client)
    assert model_server.connections == 1


def test_a_kept_connection_that_the_server_closed_fails_no_image(
    client: ModelClient, model_server: ModelServer
) -> None:
    """The server was replaced between two calls."""
    model_server.reply = lambda _: Reply(*answering()[:2], then_hang_up=True)
    for _ in range(3):
        ask(client)
        assert model_server.hung_up.acquire(timeout=10)
    assert model_server.connections == 3


def test_connections_that_idled_too_long_are_not_used(
    client: ModelClient, model_server: ModelServer, wall_clock: WallClock
) -> None:
    """A Lambda that was frozen did not notice that the load balancer closed the connection."""
    ask(client)
    wall_clock.now_s += KEEP_ALIVE_S
    ask(client)
    assert model_server.connections == 1
    wall_clock.now_s += KEEP_ALIVE_S + 1
    ask(client)
    assert model_server.connections == 2


def test_many_images_are_with_the_server_at_the_same_time(client: ModelClient, model_server: ModelServer) -> None:
    everybody = Barrier(20)
    model_server.reply = lambda _: (everybody.wait(60), answering())[1]
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: ask(client), range(20)))
    assert answers == [server_answer()] * 20
    assert model_server.most_at_once == 20


def ask_together(client: ModelClient, *data: bytes) -> list[Answer]:
    return client.ask(data, budget_s=60)


def entry(name: str, **changes: object) -> dict[str, Any]:
    return server_answer().model_dump(include={"predictions", "uncertain"}) | {"name": name, "status": 200} | changes


def rejected(name: str, status: int, code: str) -> dict[str, Any]:
    return {"name": name, "status": status, "code": code, "error": "The JPEG ends early: upload it again."}


def test_many_images_are_one_request_and_each_gets_its_own_prediction(
    client: ModelClient, model_server: ModelServer
) -> None:
    def of_its_own(image: bytes) -> Reply:
        best = {"label": image.decode(), "probability": 0.9}
        return Reply(200, server_answer(predictions=[best]).model_dump_json().encode())

    model_server.reply = of_its_own
    seen = ask_together(client, b"golf ball", b"baseball", b"tennis ball")
    assert [it.predictions[0].label for it in seen if isinstance(it, ServerAnswer)] == [
        "golf ball",
        "baseball",
        "tennis ball",
    ]
    assert (model_server.paths, model_server.images) == (["/predictions/balls"], [3])


def test_a_tars_files_have_our_names_and_are_byte_for_byte_the_images(
    client: ModelClient, model_server: ModelServer
) -> None:
    """Whatever their sizes: a tar is made of blocks of 512 bytes."""
    images = [bytes([n % 256]) * n for n in (1, 511, 512, 513, 100_000)]
    files: list[tuple[str, bytes]] = []

    def listen(sent: list[tuple[str, bytes]]) -> Reply:
        files.extend(sent)
        return each(sent, lambda _: answering())

    model_server.reply_to_tar = listen
    assert ask_together(client, *images) == [server_answer()] * 5
    assert files == list(zip("01234", images, strict=True))


def test_predictions_go_by_their_names_and_not_by_their_order(client: ModelClient, model_server: ModelServer) -> None:
    model_server.reply_to_tar = lambda _: answers([entry("1", uncertain="the second"), entry("0")])
    assert ask_together(client, JPEG, JPEG) == [server_answer(), server_answer(uncertain="the second")]


@pytest.mark.parametrize("code", get_args(RejectionCode))
def test_an_entry_that_rejects_its_image_harms_no_other(
    client: ModelClient, model_server: ModelServer, code: RejectionCode
) -> None:
    model_server.reply_to_tar = lambda _: answers([rejected("0", 422, code), entry("1")])
    [fault, answer] = ask_together(client, JPEG, JPEG)
    assert isinstance(fault, ImageRejected)
    assert (fault.code, fault.reason, fault.model) == (code, "The JPEG ends early: upload it again.", ANSWERED)
    assert answer == server_answer()


def test_an_entry_that_finds_its_image_too_large_rejects_it_without_a_known_code(
    client: ModelClient, model_server: ModelServer
) -> None:
    model_server.reply_to_tar = lambda _: answers([{"name": "0", "status": 413}, entry("1")])
    [fault, _] = ask_together(client, JPEG, JPEG)
    assert isinstance(fault, ImageRejected)
    assert fault.code == "too_large"


@pytest.mark.parametrize(
    "other", [rejected("0", 422, "a code of tomorrow"), {"name": "0", "status": 503, "error": "busy"}]
)
def test_an_entry_that_is_not_the_images_fault_leaves_that_image_alone_for_later(
    client: ModelClient, model_server: ModelServer, other: dict[str, Any]
) -> None:
    model_server.reply_to_tar = lambda _: answers([other, entry("1")])
    [unavailable, answer] = ask_together(client, JPEG, JPEG)
    assert isinstance(unavailable, ModelUnavailable)
    assert f"answered {other['status']}" in str(unavailable)
    assert answer == server_answer()


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [entry("0")],
        [entry("0"), entry("0")],
        [entry("0"), entry("2")],
        [entry("1"), entry("2")],
        [entry("0"), entry("1"), entry("2")],
        [entry("0"), entry("1"), entry("1")],
        [entry("0"), entry("1", predictions=[])],
        [entry("0"), entry("1", predictions=[{"label": "golf ball", "probability": 1.5}])],
        [entry("0"), {"name": "1"}],
    ],
)
def test_a_response_whose_entries_are_not_the_images_that_were_sent_is_the_servers_fault(
    client: ModelClient, model_server: ModelServer, entries: list[dict[str, Any]]
) -> None:
    """Missing, doubled, misnamed: an image must never get its neighbour's label."""
    model_server.reply_to_tar = lambda _: answers(entries)
    with pytest.raises(ModelUnavailable, match="answered 200 with a body that is no answer"):
        ask_together(client, JPEG, JPEG)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503, 507])
def test_a_server_that_is_closed_or_down_says_nothing_about_tars(
    client: ModelClient, model_server: ModelServer, status: int
) -> None:
    model_server.reply_to_tar = lambda _: Reply(status, rejection_body())
    with pytest.raises(ModelUnavailable, match=f"answered {status}"):
        ask_together(client, JPEG, JPEG)
    assert client.images_at_once() == IMAGES_A_TAR


@pytest.mark.parametrize("status", [400, 415, 422])
def test_a_server_that_takes_no_tars_is_sent_none_for_some_minutes(
    client: ModelClient, model_server: ModelServer, wall_clock: WallClock, status: int
) -> None:
    """Then it may have been replaced."""
    assert client.images_at_once() == IMAGES_A_TAR
    model_server.reply_to_tar = lambda _: Reply(status, rejection_body("unsupported_format"))
    with pytest.raises(NotTogether):
        ask_together(client, JPEG, JPEG)
    assert client.images_at_once() == 1
    wall_clock.now_s += NO_TARS_FOR_S
    assert client.images_at_once() == IMAGES_A_TAR


def test_a_tar_that_is_too_large_is_no_reason_to_send_no_other(client: ModelClient, model_server: ModelServer) -> None:
    model_server.reply_to_tar = lambda _: Reply(413, rejection_body("too_large"))
    with pytest.raises(NotTogether):
        ask_together(client, JPEG, JPEG)
    assert client.images_at_once() == IMAGES_A_TAR


@pytest.mark.parametrize(
    ("header", "retry_after_s"),
    [("30", 30), (" 0 ", 0), (None, None), ("-1", None), ("soon", None), ("Sat, 21 Nov 2026 12:00:00 GMT", None)],
)
def test_the_retry_after_of_a_server_is_kept(
    client: ModelClient, model_server: ModelServer, header: str | None, retry_after_s: int | None
) -> None:
    model_server.reply = lambda _: Reply(503, b"", retry_after=header)
    model_server.reply_to_tar = lambda _: Reply(503, b"", retry_after=header)
    for images in ([JPEG], [JPEG, JPEG]):
        with pytest.raises(ModelUnavailable) as error:
            client.ask(images, budget_s=60)
        assert error.value.retry_after_s == retry_after_s


def test_the_engine_that_answered_is_kept(client: ModelClient, model_server: ModelServer) -> None:
    quicker = server_answer(model=ANSWERED.model_copy(update={"engine": "openvino-bf16"}))
    model_server.reply = lambda _: Reply(200, quicker.model_dump_json().encode())
    answer = ask(client)
    assert isinstance(answer, ServerAnswer)
    assert answer.model.engine == "openvino-bf16"
