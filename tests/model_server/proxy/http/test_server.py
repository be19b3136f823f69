"""The proxy's responses, one by one, in front of a fake TorchServe."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from proxy.groups.waiting import Limits
from proxy.http import bodies
from proxy.torchserve.readiness import State
from serving.bundle import write_bundle
from tests.model_server.proxy.proxies import MODEL, FakeTorchServe, answer, proxied, run


def tar(*images: bytes) -> bytes:
    return b"".join(bytes(piece) for piece in write_bundle((f"{n}.jpg", image) for n, image in enumerate(images)))


def form(**fields: bytes) -> aiohttp.FormData:
    data = aiohttp.FormData()
    for name, image in fields.items():
        data.add_field(name, io.BytesIO(image), filename=f"{name}.jpg")
    return data


def test_one_image_is_answered_with_the_model_and_the_timings() -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            status, document, response = await proxy.post(b"golf ball")
            assert status == 200
            assert document["model"] == MODEL
            assert document["predictions"] == [{"label": "golf", "probability": 0.9}]
            assert document["timings"]["images"] == 1
            assert response.content_type == "application/json"

    run(scenario())


def test_each_of_a_hundred_images_sent_at_once_gets_its_own_response_in_groups() -> None:
    async def scenario() -> None:
        fake = FakeTorchServe()
        async with proxied(fake) as proxy:
            wanted = [f"ball{n}" for n in range(100)]
            assert await proxy.labels(*(label.encode() + b" " for label in wanted)) == wanted
            assert len(fake.groups) < 60
            assert max(map(len, fake.groups)) <= 8

    run(scenario())


def test_a_bad_image_gets_a_4xx_of_its_own() -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            status, document, _ = await proxy.post(b"bad")
            assert (status, document) == (
                415,
                {"model": MODEL, "code": "unsupported_format", "error": "This is no image."},
            )

    run(scenario())


@pytest.mark.parametrize("header", [b"no colon", b"X-Y: a\x00b", b"X-Long: " + b"y" * 9000])
def test_a_form_with_a_header_that_nobody_can_read_is_the_requests_fault(header: bytes) -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            body = b'--x\r\nContent-Disposition: form-data; name="data"\r\n' + header + b"\r\n\r\nphoto\r\n--x--\r\n"
            status, document, _ = await proxy.post(body, **{"Content-Type": "multipart/form-data; boundary=x"})
            assert (status, document["code"]) == (400, "bad_request")

    run(scenario())


@pytest.mark.parametrize(
    "sent",
    [
        b'--x\r\nContent-Disposition: form-data; name="a\x1b"; filename="a"\r\n\r\nphoto\r\n--x--\r\n',
        b'--x\r\nContent-Disposition: form-data; name="a"; filename="a\x1b[31m.jpg"\r\n\r\nphoto\r\n--x--\r\n',
        b'--x\r\nContent-Disposition: form-data; name="data"\r\n\r\nphoto',
        b"--y\r\n\r\nphoto\r\n--y--\r\n",
    ],
    ids=["ESC in a name", "ESC in a file's name", "cut short", "another boundary"],
)
def test_a_form_that_cannot_be_read_is_told_so_in_one_plain_sentence(sent: bytes) -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            status, document, _ = await proxy.post(sent, **{"Content-Type": "multipart/form-data; boundary=x"})
            assert (status, document["code"]) == (400, "bad_request")
            assert document["error"] == (
                "The form cannot be read: it breaks off, or its boundary, or a header of one of its fields, is not as it "
                "should be. Send it as `curl -F data=@FILE` does."
            )

    run(scenario())


@pytest.mark.parametrize("sent_as", ["tar", "form"])
def test_many_images_in_one_request_are_answered_in_their_order(sent_as: str) -> None:
    async def scenario() -> None:
        images = [b"a 1", b"bad", *(f"c{n} ".encode() for n in range(20))]
        async with proxied() as proxy:
            body: object = (
                tar(*images) if sent_as == "tar" else form(**{f"f{n}": image for n, image in enumerate(images)})
            )
            status, document, _ = await proxy.post(body)
            assert status == 200
            assert [each["name"] for each in document["answers"]] == [
                f"{n}.jpg" if sent_as == "tar" else f"f{n}" for n in range(22)
            ]
            assert [each["status"] for each in document["answers"]] == [200, 415, *[200] * 20]
            assert document["answers"][21]["predictions"][0]["label"] == "c19"
            assert document["timings"]["images"] == 22
            assert document["model"] == MODEL

    run(scenario())


def test_a_form_with_one_image_is_answered_as_one_image() -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            assert (await proxy.post(form(photo=b"tennis ball")))[1]["predictions"][0]["label"] == "tennis"
            field = aiohttp.FormData({"data": "golf ball", "comment": "mine"}, default_to_multipart=True)
            assert (await proxy.post(field))[1]["predictions"][0]["label"] == "golf"

    run(scenario())


def test_a_tar_in_a_form_is_a_tar() -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            assert len((await proxy.post(form(body=tar(b"a", b"b"))))[1]["answers"]) == 2

    run(scenario())


@pytest.mark.parametrize(
    ("body", "response"),
    [(tar(b"a", b"b" * 2000)[:1500], (400, "bad_request")), (tar(*[b"a"] * 65), (413, "too_large"))],
    ids=["cut short", "too many"],
)
def test_a_tar_that_cannot_be_taken_is_the_requests_fault(body: bytes, response: tuple[int, str]) -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            status, document, _ = await proxy.post(body)
            assert (status, document["code"]) == response
            assert document["error"].endswith(".")

    run(scenario())


def test_a_form_without_an_image_and_a_form_that_is_none_are_refused() -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            empty = aiohttp.FormData({"comment": "mine"}, default_to_multipart=True)
            assert (await proxy.post(empty))[1]["code"] == "empty"
            for kind in ("multipart/form-data", "multipart/form-data; boundary=x"):
                status, document, _ = await proxy.post(b"no form", **{"Content-Type": kind})
                assert (status, document["code"]) == (400, "bad_request")
            many = form(**{f"f{n}": b"a" for n in range(65)})
            assert (await proxy.post(many))[1]["code"] == "too_large"

    run(scenario())


def test_a_body_over_the_limit_is_413_with_a_sentence_whether_or_not_its_length_is_announced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bodies, "IMAGE_BYTES", 2**20)
    monkeypatch.setattr(bodies, "REQUEST_BYTES", 2 * 2**20)

    async def chunks(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield bytes(2**16)

    async def scenario() -> None:
        fake = FakeTorchServe()
        async with proxied(fake) as proxy:
            for body in (bytes(2**20 + 1), bytes(3 * 2**20), chunks(30), chunks(60)):
                sent = io.BytesIO(body) if isinstance(body, bytes) else body
                status, document, _ = await proxy.post(sent)
                assert (status, document["code"]) == (413, "too_large")
                assert "MiB" in document["error"]
            assert (await proxy.post(chunks(16)))[0] == 200
            assert proxy.memory.held_bytes == 0
        assert fake.groups[1:] == [[bytes(2**20)]]

    run(scenario())


def test_an_image_over_the_limit_in_a_tar_is_refused_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.http.server.IMAGE_BYTES", 1000)

    async def scenario() -> None:
        async with proxied() as proxy:
            _, document, _ = await proxy.post(tar(b"a", bytes(1001), b"c"))
            assert [(each["status"], each.get("code")) for each in document["answers"]] == [
                (200, None),
                (413, "too_large"),
                (200, None),
            ]
            _, document, _ = await proxy.post(tar(bytes(1001)))
            assert [each["status"] for each in document["answers"]] == [413]

    run(scenario())


def test_expect_100_continue_is_accepted_or_refused_before_the_body_is_sent() -> None:
    async def exchange(url: str, length: int, body: bytes) -> bytes:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = (
            f"POST /predictions/balls HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        )
        writer.write(head.encode())
        first = await reader.readuntil(b"\r\n\r\n")
        if b" 100 " in first:
            writer.write(body)
            first = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        return first

    async def scenario() -> None:
        async with proxied() as proxy:
            assert b" 200 OK" in await exchange(proxy.url, 9, b"golf ball")
            assert b" 413 " in await exchange(proxy.url, 2**30, b"")

    run(scenario())


def test_a_full_queue_is_503_with_a_time_to_come_again_and_what_was_admitted_is_answered() -> None:
    async def scenario() -> None:
        async with proxied(limits=Limits(waiting_images=10)) as proxy:
            proxy.served.dispatcher.open(workers=0)
            sent = [asyncio.create_task(proxy.post(b"a")) for _ in range(20)]
            while sum(each.done() for each in sent) < 10:
                await asyncio.sleep(0.01)
            for body in (b"a", tar(*[b"a"] * 64)):
                status, document, response = await proxy.post(body)
                assert (status, document["type"]) == (503, "ServiceUnavailable")
                assert 1 <= int(response.headers["Retry-After"]) <= 60
            proxy.served.dispatcher.open(workers=1)
            statuses = [status for status, _, _ in await asyncio.gather(*sent)]
            assert sorted(statuses) == [200] * 10 + [503] * 10

    run(scenario())


def test_memory_that_is_full_is_503() -> None:
    async def scenario() -> None:
        async with proxied(memory_bytes=1000) as proxy:
            assert (await proxy.post(bytes(1001)))[0] == 503

            async def chunks() -> AsyncIterator[bytes]:
                yield bytes(1001)

            assert (await proxy.post(chunks()))[0] == 503
            assert (await proxy.post(bytes(1000)))[0] == 200
            assert proxy.memory.held_bytes == 0

    run(scenario())


def test_the_version_and_the_number_of_classes_are_passed_on_and_only_equals_share_a_group() -> None:
    async def scenario() -> None:
        fake = FakeTorchServe()
        async with proxied(fake) as proxy:
            fake.requests.clear()
            await asyncio.gather(
                proxy.post(b"a", "/predictions/balls/2.0"),
                proxy.post(b"a", "/predictions/balls?top_k=5"),
                proxy.post(b"a", **{"X-Top-K": "5"}),
                proxy.post(b"a", "/predictions/balls?top_k=a%26b%0A"),
            )
            in_form = form(photo=b"a")
            in_form.add_field("top_k", "7")
            await proxy.post(in_form)
            assert set(fake.requests) == {
                ("/predictions/balls", "5"),
                ("/predictions/balls", "7"),
                ("/predictions/balls", "a%26b%0A"),
                ("/predictions/balls/2.0", None),
            }

    run(scenario())


def test_a_heat_map_is_passed_on_as_it_comes() -> None:
    async def explain(images: list[bytes], request: web.Request) -> web.Response:
        if images == [b"bad"]:
            return answer(415, {"code": "unsupported_format", "error": "This is no image.", "model": MODEL})
        return web.Response(
            body=b"\x89PNG" + images[0],
            headers={
                "Content-Type": "image/png",
                "X-Label": "golf%20ball",
                "X-Engine": "torch-fp32",
                "X-Secret": "path",
            },
        )

    async def scenario() -> None:
        async with proxied(FakeTorchServe(explain)) as proxy:
            status, picture, response = await proxy.post(b"x", "/explanations/balls")
            assert (status, picture, response.headers["X-Label"]) == (200, b"\x89PNGx", "golf%20ball")
            assert (response.content_type, response.headers["X-Engine"]) == ("image/png", "torch-fp32")
            assert "X-Secret" not in response.headers
            assert (await proxy.post(b"bad", "/explanations/balls/1.0"))[0] == 415
            assert (await proxy.post(tar(b"a"), "/explanations/balls"))[:1] == (400,)

    run(scenario())


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/models"), ("POST", "/models?url=x"), ("GET", "/"),
     ("DELETE", "/models/balls"), ("POST", "/predictions"), ("POST", "/predictions/a/b/c"), ("GET", "/metrics"),
     ("POST", "/predictions/cats"), ("OPTIONS", "/"),
     ("GET", "/v1/models/cats"), ("GET", "/v1"), ("GET", "/v1/models/balls/versions/1.0")],
)  # fmt: skip
def test_everything_else_is_404_with_a_sentence(method: str, path: str) -> None:
    async def scenario() -> None:
        fake = FakeTorchServe()
        async with proxied(fake) as proxy:
            fake.groups.clear()
            async with proxy.client.request(method, proxy.url + path) as response:
                document = await response.json()
                assert (response.status, document["code"]) == (404, 404)
                assert document["message"].startswith("There is no ")
            assert fake.groups == []

    run(scenario())


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/predictions/balls", "POST, PUT"),
        ("DELETE", "/predictions/balls/1.0", "POST, PUT"),
        ("GET", "/explanations/balls", "POST, PUT"),
        ("GET", "/v1/models/balls:predict", "POST, PUT"),
        ("OPTIONS", "/predictions/balls", "POST, PUT"),
        ("POST", "/ping", "GET, HEAD"),
        ("PUT", "/ping", "GET, HEAD"),
        ("POST", "/v1/models/balls", "GET, HEAD"),
        ("POST", "/v1/models", "GET, HEAD"),
    ],
)
def test_another_method_is_405_and_the_response_names_those_of_the_path(method: str, path: str, allowed: str) -> None:
    async def scenario() -> None:
        async with proxied() as proxy, proxy.client.request(method, proxy.url + path) as response:
            document = await response.json()
            assert (response.status, document["code"]) == (405, 405)
            assert response.headers["Allow"] == allowed
            assert allowed.replace(", ", " and ") in document["message"]

    run(scenario())


def test_an_unknown_models_404_names_the_models_but_to_nobody_without_a_token(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("secret\n")

    async def scenario() -> None:
        async with proxied(token_file=tmp_path / "tokens", models=("balls", "cats")) as proxy:
            status, document, _ = await proxy.post(b"a", "/predictions/dogs%22", Authorization="Bearer secret")
            assert (status, document["message"]) == (404, "There is no model 'dogs\"' here. Its models: balls, cats.")
            for path in ("/predictions/dogs", "/v1/models/dogs:predict", "/models", "/predictions/dogs/1.0"):
                _, document, _ = await proxy.post(b"a", path)
                assert "cats" not in document["message"]

    run(scenario())


def test_a_404_names_every_path_that_there_is() -> None:
    async def scenario() -> None:
        async with proxied() as proxy, proxy.client.get(f"{proxy.url}/v2/models/balls") as response:
            message = (await response.json())["message"]
            for path in ("POST /predictions/NAME", "POST /v1/models/NAME:predict", "GET /v1/models/NAME", "GET /ping"):
                assert path in message

    run(scenario())


def test_kserves_clients_learn_which_models_there_are_and_whether_each_is_ready(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("secret\n")
    token = {"Authorization": "Bearer secret"}

    async def scenario() -> None:
        async with proxied(token_file=tmp_path / "tokens", models=("balls", "cats")) as proxy:

            async def got(path: str, **headers: str) -> tuple[int, dict[str, object]]:
                async with proxy.client.get(proxy.url + path, headers=headers) as response:
                    return response.status, await response.json()

            assert await got("/v1/models", **token) == (200, {"models": ["balls", "cats"]})
            assert await got("/v1/models/balls", **token) == (200, {"name": "balls", "ready": True})
            for path in ("/v1/models", "/v1/models/balls", "/v1/models/dogs"):
                assert (await got(path))[0] == 401
            proxy.served.state = State(reason="Its worker died.", failed=True)
            assert await got("/v1/models/balls", **token) == (503, {"name": "balls", "ready": False})
            assert await got("/v1/models/cats", **token) == (200, {"name": "cats", "ready": True})

    run(scenario())


def test_an_unknown_versions_404_names_the_version_that_there_is() -> None:
    async def unknown(_: list[bytes], __: web.Request) -> web.Response:
        message = "Model version: 2.0 does not exist for model: balls"
        return answer(404, {"code": 404, "type": "ModelVersionNotFoundException", "message": message})

    async def scenario() -> None:
        async with proxied(FakeTorchServe(unknown)) as proxy:
            status, document, _ = await proxy.post(b"a", "/predictions/balls/2.0")
            assert (status, document["code"]) == (404, 404)
            assert document["message"] == "Model version: 2.0 does not exist for model: balls. Its version here: 1.0."

    run(scenario())


def test_put_is_post_as_curl_wants_it() -> None:
    async def scenario() -> None:
        async with proxied() as proxy, proxy.client.put(f"{proxy.url}/predictions/balls", data=b"golf") as response:
            assert response.status == 200

    run(scenario())


def test_without_a_token_nothing_but_ping_answers(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("secret\n")

    async def scenario() -> None:
        async with proxied(token_file=tmp_path / "tokens") as proxy:
            status, document, response = await proxy.post(b"a")
            assert (status, document["code"]) == (401, 401)
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert (await proxy.post(b"a", Authorization="Bearer secret"))[0] == 200
            async with proxy.client.get(f"{proxy.url}/ping") as ping:
                assert ping.status == 200

    run(scenario())


def test_the_page_for_prometheus_counts_images_groups_and_refusals() -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            await proxy.labels(*[b"a"] * 20)
            await proxy.post(b"bad")
            await proxy.post(io.BytesIO(bytes(11 * 2**20)))
            page = proxy.metrics.page().decode()
            assert 'podium_images_total{status="200"} 20.0' in page
            assert 'podium_images_total{status="415"} 1.0' in page
            assert 'podium_rejected_total{code="unsupported_format"} 1.0' in page
            assert 'podium_rejected_total{code="too_large"} 1.0' in page
            assert "podium_batch_images_sum 21.0" in page
            assert "podium_queue_seconds_count 21.0" in page
            assert "podium_request_seconds_count 21.0" in page
            assert 'podium_engine_info{engine="torch-fp32",fallback=""} 1.0' in page
            assert "podium_ready 1.0" in page
            groups = page.split("podium_batch_images_count ")[1].split()[0]
            assert f"podium_forward_seconds_count {groups}" in page

    run(scenario())


def test_rejections_are_counted_by_their_codes_image_by_image_and_what_is_no_known_code_as_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("proxy.http.server.IMAGE_BYTES", 1000)

    async def strict(images: list[bytes], _: web.Request) -> web.Response:
        codes = [image.decode() for image in images]
        answers = [{"name": "?", "status": 422, "code": code, "error": "It is."} for code in codes]
        return answer(200, {"model": MODEL, "timings": {}, "answers": answers})

    async def scenario() -> None:
        async with proxied(FakeTorchServe(strict)) as proxy:
            await proxy.post(tar(b"too_slow", b"unreadable", bytes(1001), b"too_slow", b"of tomorrow", b"of 2030"))
            await proxy.post(b"unreadable")
            await proxy.post(tar(b"cut short")[:600])
            await proxy.post(b"a", "/predictions/cats")
            page = proxy.metrics.page().decode()
            assert dict(re.findall(r'podium_rejected_total\{code="(.*)"\} (.*)', page)) == {
                "too_slow": "2.0", "unreadable": "2.0", "too_large": "1.0", "other": "2.0", "bad_request": "1.0", "404": "1.0"
            }  # fmt: skip
            assert dict(re.findall(r'podium_images_total\{status="(.*)"\} (.*)', page)) == {"413": "1.0", "422": "6.0"}

    run(scenario())


@pytest.mark.parametrize(
    ("line", "more", "wanted", "words"),
    [
        (b"GET /a%0ab", b"", 404, "There is no GET /a\nb here. There is POST"),
        (b"OPTIONS *", b"", 404, "There is no OPTIONS * here."),
        (b"CONNECT a:443", b"", 404, "There is no CONNECT a:443 here."),
        (b"GET /ping", b"Expect: tea\r\n", 417, "Expect: tea is not understood. Leave it out."),
    ],
    ids=["a line's end", "all", "connect", "expect"],
)
def test_whatever_is_asked_for_the_answer_is_json(line: bytes, more: bytes, wanted: int, words: str) -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            host, _, port = proxy.url.removeprefix("http://").partition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(line + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + more + b"\r\n")
            head, _, body = (await asyncio.wait_for(reader.read(), 5)).partition(b"\r\n\r\n")
            writer.close()
            assert b"Content-Type: application/json" in head
            document = json.loads(body)
            assert (int(head.split()[1]), document["code"]) == (wanted, wanted)
            assert document["message"].startswith(words)

    run(scenario())
