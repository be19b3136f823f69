"""Workers that die, servers that stop, clients that leave: nothing admitted stays without a response."""

from __future__ import annotations

import asyncio
import gc
import json

import pytest
from aiohttp import web
from yarl import URL

from proxy.torchserve.management import Worker
from proxy.torchserve.probe_picture import probe_picture
from tests.model_server.proxy.http.test_server import tar
from tests.model_server.proxy.proxies import MODEL, READY, FakeTorchServe, answer, classify, proxied, run

DIED = {"code": 507, "type": "InternalServerException", "message": "Worker died."}
INVALID_KEY = {"code": 400, "type": "InvalidKeyException", "message": "Token Authorization failed."}
FULL = {"code": 503, "type": "ServiceUnavailableException", "message": "Model balls has no worker."}


def lines(page: bytes, name: str) -> list[str]:
    return [line for line in page.decode().splitlines() if line.startswith(name)]


def held() -> tuple[FakeTorchServe, asyncio.Event]:
    """A TorchServe that answers nothing until the event is set."""
    release = asyncio.Event()

    async def slow(images: list[bytes], request: web.Request) -> web.Response:
        await release.wait()
        return await classify(images, request)

    return FakeTorchServe(slow), release


@pytest.mark.parametrize("status", [507, 500, 503, 0])
def test_a_group_that_killed_its_worker_is_sent_again_image_by_image(status: int) -> None:
    async def die_of_poison(images: list[bytes], request: web.Request) -> web.Response:
        if not any(image.startswith(b"poison") for image in images):
            return await classify(images, request)
        if not status:  # the connection breaks
            assert request.transport is not None
            request.transport.close()
            await asyncio.sleep(0.01)
        return answer(status or 500, DIED)

    async def scenario() -> None:
        fake = FakeTorchServe(die_of_poison)
        async with proxied(fake) as proxy:
            _, document, _ = await proxy.post(tar(*[b"a"] * 5, b"poison", *[b"b"] * 10))
            assert [each["status"] for each in document["answers"]] == [*[200] * 5, 503, *[200] * 10]
            status, document, response = await proxy.post(b"poison")
            assert (status, document["code"]) == (503, 503)
            assert int(response.headers["Retry-After"]) >= 1
        with_poison = [group for group in fake.groups if b"poison" in group]
        assert len([group for group in with_poison if len(group) == 1]) == 3, (
            "once in the group's wake, twice on its own"
        )

    run(scenario())


def test_an_expired_token_of_torchserves_is_the_servers_fault() -> None:
    async def expired(images: list[bytes], _: web.Request) -> web.Response:
        return answer(400, INVALID_KEY)

    async def scenario() -> None:
        async with proxied(FakeTorchServe(expired)) as proxy:
            assert (await proxy.post(b"a"))[0] == 503
            assert (await proxy.post(tar(b"a", b"b")))[0] == 503

    run(scenario())


def test_torchserves_own_full_queue_is_503() -> None:
    async def full(images: list[bytes], _: web.Request) -> web.Response:
        return answer(503, FULL)

    async def scenario() -> None:
        fake = FakeTorchServe(full)
        async with proxied(fake) as proxy:
            status, _, response = await proxy.post(b"a")
            assert status == 503
            assert "Retry-After" in response.headers
        assert len(fake.groups) == 1, "the model gets no second request at once"

    run(scenario())


def test_a_wrong_top_k_among_many_requests_fails_nobody_else() -> None:
    async def strict(images: list[bytes], request: web.Request) -> web.Response:
        if request.headers.get("X-Top-K") == "99":
            return answer(400, {"code": "bad_request", "error": "top_k is 99 of 4 classes."})
        return await classify(images, request)

    async def scenario() -> None:
        async with proxied(FakeTorchServe(strict)) as proxy:
            sent = [proxy.post(b"a", f"/predictions/balls?top_k={k}") for k in (99, 3) * 10]
            statuses = [status for status, _, _ in await asyncio.gather(*sent)]
            assert statuses == [400, 200] * 10
            assert (await proxy.post(tar(b"a", b"b"), "/predictions/balls?top_k=99"))[1]["code"] == "bad_request"

    run(scenario())


def test_the_images_of_a_client_that_went_away_are_not_sent() -> None:
    async def scenario() -> None:
        fake, release = held()
        async with proxied(fake) as proxy:
            going = asyncio.create_task(proxy.post(tar(*[b"gone"] * 40)))
            while len(fake.groups) < 2:
                await asyncio.sleep(0.01)
            staying = asyncio.create_task(proxy.post(b"here"))
            while proxy.served.dispatcher.waiting.images < 25:
                await asyncio.sleep(0.01)
            going.cancel()
            while proxy.served.dispatcher.waiting.images > 1:
                await asyncio.sleep(0.01)
            release.set()
            assert (await staying)[0] == 200
            assert fake.groups[-1] == [b"here"]
            assert proxy.memory.held_bytes == 0

    run(scenario())


def test_a_server_that_is_not_ready_says_so_and_takes_nothing() -> None:
    async def scenario() -> None:
        fake = FakeTorchServe(workers=None)
        async with proxied(fake) as proxy:
            for state, workers in (("does not say", None), ("0 of 1", (Worker("9000", 1, False),)), ("0 of 0", ())):
                fake.workers = workers
                await proxy.readiness.look()
                status, document, response = await proxy.post(b"a")
                assert (status, response.headers["Retry-After"]) == (503, "5")
                async with proxy.client.get(f"{proxy.url}/ping") as ping:
                    document = await ping.json()
                    assert (ping.status, document["failed"]) == (503, False)
                    assert state in document["message"]
            fake.death = "ModuleNotFoundError: No module named 'timm'"
            await proxy.readiness.look()
            async with proxy.client.get(f"{proxy.url}/ping") as ping:
                assert (await ping.json())["message"] == fake.death
            fake.workers, fake.death = READY, None
            await proxy.readiness.look()
            assert (await proxy.post(b"a"))[0] == 200
            async with proxy.client.get(f"{proxy.url}/ping") as ping:
                assert await ping.json() == {"status": "Healthy"}

    run(scenario())


def test_a_model_without_a_prediction_is_not_ready() -> None:
    async def scenario() -> None:
        fake = FakeTorchServe()

        async def broken(request: web.Request) -> web.Response:
            return answer(503, {"code": 503, "type": "InternalServerException", "message": "Prediction failed"})

        fake.predictions, working = broken, fake.predictions  # type: ignore[method-assign]
        async with proxied(fake) as proxy:
            assert not proxy.readiness.state.ready
            assert "golden picture" in proxy.readiness.state.reason
        del working

    run(scenario())


def test_one_dead_worker_of_two_is_counted_and_the_other_goes_on() -> None:
    async def scenario() -> None:
        fake = FakeTorchServe(workers=(Worker("9000", 1, True), Worker("9001", 2, True)))
        async with proxied(fake) as proxy:
            fake.workers = (Worker("9000", 1, True), Worker("9001", 2, False))
            await proxy.readiness.look()
            assert not proxy.readiness.state.ready
            assert (await proxy.post(b"a"))[0] == 200
            fake.workers = (Worker("9000", 1, True), Worker("9001", 3, True))
            await proxy.readiness.look()
            assert proxy.readiness.state.ready
            assert lines(proxy.metrics.page(), "podium_worker_deaths_total") == ["podium_worker_deaths_total 1.0"]

    run(scenario())


def test_a_model_that_never_loads_shuts_no_other_models_door() -> None:
    async def scenario() -> None:
        fake = FakeTorchServe(broken="cats", death="The archive holds no weights.")
        async with proxied(fake, models=("cats", "balls")) as proxy:
            assert (await proxy.post(b"golf ball", "/predictions/balls"))[0] == 200
            status, document, response = await proxy.post(b"a", "/predictions/cats")
            assert (status, response.headers["Retry-After"]) == (503, "5")
            assert document["message"] == "cats is not ready: The archive holds no weights."
            async with proxy.client.get(f"{proxy.url}/ping") as ping:
                document = await ping.json()
                assert (ping.status, document["message"], document["failed"]) == (503, f"cats: {fake.death}", True)
            assert sorted(lines(proxy.metrics.page(), "podium_model_ready{")) == [
                'podium_model_ready{model="balls"} 1.0', 'podium_model_ready{model="cats"} 0.0'
            ]  # fmt: skip
            fake.broken, fake.death = "", None
            await proxy.readiness.look()
            assert (await proxy.post(b"a", "/predictions/cats"))[0] == 200
            async with proxy.client.get(f"{proxy.url}/ping") as ping:
                assert ping.status == 200

    run(scenario())


def test_a_model_whose_first_response_takes_long_keeps_no_other_one_waiting() -> None:
    async def scenario() -> None:
        fake, release = FakeTorchServe(), asyncio.Event()
        answered = fake.predictions

        async def predictions(request: web.Request) -> web.Response:
            if request.match_info["model"] == "cats":
                await release.wait()
            return await answered(request)

        fake.predictions = predictions  # type: ignore[method-assign]
        async with proxied(fake, models=("balls", "cats"), look=False) as proxy:
            watching = asyncio.create_task(proxy.readiness.watch())
            try:
                while (await proxy.post(b"a", "/predictions/balls"))[0] != 200:
                    await asyncio.sleep(0.01)
                assert (await proxy.post(b"a", "/predictions/cats"))[0] == 503
                fake.workers = ()
                proxy.readiness.suspect()
                while proxy.served.state.ready:  # it is looked at again, too
                    await asyncio.sleep(0.01)
            finally:
                release.set()
            fake.workers = READY
            while not proxy.readiness.state.ready:
                await asyncio.sleep(0.01)
            watching.cancel()

    run(scenario())


def test_the_probe_picture_is_answered_once_in_the_life_of_a_torchserve() -> None:
    probe = [bytes(probe_picture())]

    async def scenario() -> None:
        two = (Worker("9000", 1, True), Worker("9001", 2, True))
        fake = FakeTorchServe(workers=two)
        async with proxied(fake) as proxy:
            fake.workers = (two[0], Worker("9001", 3, True))  # one of them was replaced
            await proxy.readiness.look()
            assert proxy.readiness.state.ready
            assert fake.groups == [probe]
            proxy.readiness.down("TorchServe ended.")
            await proxy.readiness.look()
            assert fake.groups == [probe, probe]

    run(scenario())


def test_what_was_admitted_outlives_a_torchserve_that_dies() -> None:
    async def scenario() -> None:
        fake = FakeTorchServe()
        async with proxied(fake) as proxy:
            proxy.served.dispatcher.open(workers=0)
            response = asyncio.create_task(proxy.post(b"golf ball"))
            while not proxy.served.dispatcher.waiting.images:
                await asyncio.sleep(0.01)
            proxy.readiness.down("TorchServe ended.")
            assert (await proxy.post(b"late"))[0] == 503
            await proxy.readiness.look()
            assert (await response)[0] == 200

    run(scenario())


def test_a_request_that_is_not_answered_in_its_time_gets_a_retry_after() -> None:
    async def never(images: list[bytes], request: web.Request) -> web.Response:
        await asyncio.sleep(3600)
        raise AssertionError

    async def scenario() -> None:
        async with proxied(FakeTorchServe(never), request_s=0.2) as proxy:
            status, document, response = await proxy.post(b"a")
            assert (status, "Retry-After" in response.headers) == (503, True)
            assert "0.2 s" in document["message"]

    run(scenario())


def test_a_server_that_stops_answers_what_it_has_and_takes_nothing_more() -> None:
    async def scenario() -> None:
        fake, release = held()
        async with proxied(fake) as proxy:
            admitted = [asyncio.create_task(proxy.post(b"golf")) for _ in range(30)]
            while len(fake.groups) < 2:
                await asyncio.sleep(0.01)
            proxy.drain.begin()
            draining = asyncio.create_task(proxy.drain.finish(20))
            status, _, response = await proxy.post(b"late")
            assert (status, response.headers["Connection"], response.headers["Retry-After"]) == (503, "close", "5")
            async with proxy.client.get(f"{proxy.url}/ping") as ping:
                assert ping.status == 503
            assert not draining.done()
            release.set()
            assert await draining == 0
            assert [status for status, _, _ in await asyncio.gather(*admitted)] == [200] * 30

    run(scenario())


@pytest.mark.parametrize("hurried", [False, True])
def test_what_is_not_answered_when_the_drain_ends_gets_a_retry_after(hurried: bool) -> None:
    async def never(images: list[bytes], request: web.Request) -> web.Response:
        await asyncio.sleep(3600)
        raise AssertionError

    async def scenario() -> None:
        fake = FakeTorchServe(never)
        async with proxied(fake) as proxy:
            admitted = [asyncio.create_task(proxy.post(b"golf")) for _ in range(3)]
            while sum(map(len, fake.groups)) < 3:
                await asyncio.sleep(0.01)
            proxy.drain.begin()
            if hurried:
                asyncio.get_running_loop().call_later(0.1, proxy.drain.hurry)
            assert await proxy.drain.finish(3600 if hurried else 0.1) == 3
            answers = await asyncio.gather(*admitted)
            assert [status for status, _, _ in answers] == [503] * 3
            assert all(int(response.headers["Retry-After"]) >= 1 for _, _, response in answers)

    run(scenario())


def test_a_number_of_classes_that_is_no_text_is_passed_on_as_well_as_it_goes() -> None:
    """Bytes that are not UTF-8 once lost the request until its time-out."""

    async def scenario() -> None:
        fake = FakeTorchServe()
        async with proxied(fake) as proxy:
            url = URL(proxy.url)
            reader, writer = await asyncio.open_connection(url.host, url.port)
            writer.write(b"POST /predictions/balls HTTP/1.1\r\nHost: a\r\nX-Top-K: \xff\r\nContent-Length: 1\r\n\r\na")
            assert (await reader.readline()).split()[1] == b"200"
            writer.close()
        assert fake.requests[-1] == ("/predictions/balls", "%3F")

    run(scenario())


def test_a_fault_of_the_proxy_itself_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with proxied() as proxy:

            async def fault(*_: object) -> None:
                raise KeyError("a mistake")

            monkeypatch.setattr(proxy.served.dispatcher, "_send", fault)
            raised: list[object] = []
            asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context["exception"]))
            status, document, _ = await proxy.post(b"a")
            assert (status, document["message"]) == (503, "The model server failed; its log says why.")
            gc.collect()
            assert [type(it) for it in raised] == [KeyError], "it is logged"

    run(scenario())


def test_the_engine_is_known_from_responses_and_forgotten_with_the_workers() -> None:
    """A worker that was started again may have fallen back to another engine."""
    fallen = {**MODEL, "engine": "torch-fp32", "engine_fallback": "no memory"}

    async def after_a_restart(images: list[bytes], request: web.Request) -> web.Response:
        document = json.loads((await classify(images, request)).text or "")
        return answer(200, {**document, "model": fallen})

    async def scenario() -> None:
        fake = FakeTorchServe(workers=(Worker("9000", 1, True), Worker("9001", 2, True)))
        async with proxied(fake) as proxy:
            assert lines(proxy.metrics.page(), "podium_engine_info{") == [
                'podium_engine_info{engine="torch-fp32",fallback=""} 1.0'
            ]
            fake.workers, fake.behave = READY, after_a_restart
            await proxy.readiness.look()
            assert lines(proxy.metrics.page(), "podium_engine_info{") == []
            await proxy.post(b"a")
            assert lines(proxy.metrics.page(), "podium_engine_info{") == [
                'podium_engine_info{engine="torch-fp32",fallback="no memory"} 1.0'
            ]

    run(scenario())
