"""Bodies that the sender compressed: the image is what they were before."""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest

from inference.images.encodings import MOST_MEMBERS, is_compressed, unpacked
from proxy.http import bodies
from proxy.http.compressed import STEP_BYTES, inflated
from serving.bundle import write_bundle
from tests.model_server.proxy.proxies import FakeTorchServe, proxied, run

PHOTO = b"golf " + bytes(range(256)) * 1000


def raw_deflate(data: bytes) -> bytes:
    machine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return machine.compress(data) + machine.flush()


def two_members(data: bytes) -> bytes:
    return gzip.compress(data[:1000]) + gzip.compress(data[1000:])


CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "in capitals": (" GZIP ", gzip.compress),
    "by its old name": ("x-gzip", gzip.compress),
    "of two members": ("gzip", two_members),
    "stored": ("gzip", lambda data: gzip.compress(data, 0)),
    "with zeros behind it": ("gzip", lambda data: gzip.compress(data) + bytes(3 * STEP_BYTES)),
    "called so and not compressed": ("gzip", bytes),
    "deflate": ("deflate", zlib.compress),
    "deflate without a header": ("deflate", raw_deflate),
    "identity": ("identity", bytes),
}


@pytest.mark.parametrize("kind", CODINGS)
def test_a_compressed_image_is_the_image(kind: str) -> None:
    coding, compress = CODINGS[kind]

    async def scenario() -> None:
        fake = FakeTorchServe()
        async with proxied(fake) as proxy:
            status, document, _ = await proxy.post(compress(PHOTO), **{"Content-Encoding": coding})
            assert (status, document["predictions"][0]["label"]) == (200, "golf")
            assert fake.groups[-1] == [PHOTO]
            assert proxy.memory.held_bytes == 0

    run(scenario())


def test_tars_forms_and_json_are_taken_compressed_too() -> None:
    async def scenario() -> None:
        packed = {"Content-Encoding": "gzip"}
        async with proxied() as proxy:
            tar = b"".join(bytes(it) for it in write_bundle([("a", PHOTO), ("b", b"tennis ")]))
            _, document, _ = await proxy.post(gzip.compress(tar), **packed)
            assert [it["predictions"][0]["label"] for it in document["answers"]] == ["golf", "tennis"]
            form = b'--x\r\nContent-Disposition: form-data; name="data"\r\n\r\n' + PHOTO + b"\r\n--x--\r\n"
            kind = {"Content-Type": "multipart/form-data; boundary=x"}
            _, document, _ = await proxy.post(gzip.compress(form), **packed, **kind)
            assert document["predictions"][0]["label"] == "golf"
            sent = json.dumps({"instances": [base64.b64encode(PHOTO).decode()]}).encode()
            _, document, _ = await proxy.post(gzip.compress(sent), **packed)
            assert document["predictions"][0]["predictions"][0]["label"] == "golf"
            assert proxy.memory.held_bytes == 0

    run(scenario())


def test_a_bomb_is_too_large_and_is_not_inflated_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mebibyte of it would be a gibibyte; with the limits of this test, a few steps are taken."""
    monkeypatch.setattr(bodies, "IMAGE_BYTES", 2**20)
    monkeypatch.setattr(bodies, "REQUEST_BYTES", 2 * 2**20)
    machine = zlib.compressobj(9, wbits=31)
    bomb = b"".join(machine.compress(bytes(2**20)) for _ in range(256)) + machine.flush()
    form = b'--x\r\nContent-Disposition: form-data; name="data"\r\n\r\n' + bytes(2**26)
    kind = {"Content-Type": "multipart/form-data; boundary=x"}

    async def scenario() -> None:
        async with proxied() as proxy:
            tracemalloc.start()
            for body, headers in ((bomb, {}), (gzip.compress(form), kind)):
                status, document, response = await proxy.post(body, **headers, **{"Content-Encoding": "gzip"})
                assert (status, document["code"]) == (413, "too_large")
                assert response.headers["Connection"] == "close"
            _, peak_bytes = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert peak_bytes < 16 * 2**20
            assert proxy.memory.held_bytes == 0

    run(scenario())


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (gzip.compress(PHOTO)[:-1], "gzip"),
        (gzip.compress(PHOTO)[:20], "gzip"),
        (zlib.compress(PHOTO)[:-1], "deflate"),
        (gzip.compress(PHOTO)[:-8] + bytes(8), "gzip"),
        (gzip.compress(PHOTO) + b"and more", "gzip"),
        (gzip.compress(PHOTO) + bytes(100) + b"and more", "gzip"),
        (PHOTO, "deflate"),
        (gzip.compress(b"") * (MOST_MEMBERS + 1), "gzip"),
    ],
    ids=[
        "cut short",
        "cut early",
        "deflate cut short",
        "wrong sum",
        "a tail",
        "a tail behind zeros",
        "not compressed",
        "many",
    ],
)
def test_what_cannot_be_inflated_is_the_requests_fault(body: bytes, coding: str) -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            status, document, _ = await proxy.post(body, **{"Content-Encoding": coding})
            assert (status, document["code"]) == (400, "bad_request")
            assert document["error"].endswith(".")
            assert "Error" not in document["error"], "zlib's words"

    run(scenario())


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", "gzip;q=1"])
def test_another_coding_is_415_and_the_response_says_which_are_known(coding: str) -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            status, document, response = await proxy.post(PHOTO, **{"Content-Encoding": coding})
            assert (status, document["code"]) == (415, 415)
            assert coding in document["message"]
            assert response.headers["Accept-Encoding"] == "gzip, deflate"

    run(scenario())


def test_an_empty_body_that_is_called_compressed_is_an_empty_body() -> None:
    async def scenario() -> None:
        fake = FakeTorchServe()
        async with proxied(fake) as proxy, aiohttp.ClientSession() as client:
            url = f"{proxy.url}/predictions/balls"
            async with client.post(url, data=b"", headers={"Content-Encoding": "gzip", "Content-Length": "0"}):
                assert fake.groups[-1] == [b""]

    run(scenario())


@pytest.mark.parametrize("cut", [1, 7, 10**6])
@pytest.mark.parametrize("stored", [PHOTO, gzip.compress(PHOTO) + bytes(100), gzip.compress(PHOTO), b"\x1f", b""])
def test_what_is_called_gzip_is_the_same_to_the_server_and_to_the_pipeline(stored: bytes, cut: int) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(stored), cut):
            yield stored[at : at + cut]

    async def by_the_server() -> bytes:
        return b"".join([piece async for piece in inflated(pieces(), "gzip")])

    by_the_pipeline = stored
    if is_compressed("gzip", stored, is_image=False):
        with unpacked(stored[:100], io.BytesIO(stored[100:]), len(PHOTO)) as content:
            by_the_pipeline = b"".join(iter(lambda: content.read(1000), b""))
    assert asyncio.run(by_the_server()) == by_the_pipeline


@pytest.mark.parametrize("size", [0, 1, STEP_BYTES - 1, STEP_BYTES, STEP_BYTES + 1, 3 * STEP_BYTES])
@pytest.mark.parametrize("cut", [1, 7, 10**6])
def test_nothing_is_lost_between_the_pieces(size: int, cut: int) -> None:
    data = bytes(number % 251 for number in range(size))
    packed = gzip.compress(data, 1)

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(packed), cut):
            yield packed[at : at + cut]

    async def all_of_it() -> bytes:
        return b"".join([piece async for piece in inflated(pieces(), "gzip")])

    assert asyncio.run(all_of_it()) == data
