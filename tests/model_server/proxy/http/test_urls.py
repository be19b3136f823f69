"""An image is what the request holds: nothing that a request names is fetched, from this machine or from any other."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from tests.model_server.proxy.proxies import FakeTorchServe, proxied, run


@pytest.mark.parametrize(
    "document",
    [
        {"data": "URL"},
        {"url": "URL"},
        {"image_url": "URL"},
        {"data": {"url": "URL"}},
        {"instances": [{"data": "URL"}, {"image_url": {"url": "URL"}}, "URL"]},
        {"instances": [{"b64": "URL"}]},
    ],
)
def test_an_image_that_is_named_by_its_url_is_not_fetched(document: object) -> None:
    visits = []

    async def visited(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(writer.get_extra_info("peername"))
        writer.close()

    async def scenario() -> None:
        async with await asyncio.start_server(visited, "127.0.0.1", 0) as server, proxied(FakeTorchServe()) as proxy:
            port = server.sockets[0].getsockname()[1]
            for url in (f"http://127.0.0.1:{port}/latest/meta-data/", f"data:image/png,http://127.0.0.1:{port}/"):
                body = json.dumps(document).replace("URL", url).encode()
                async with proxy.client.post(f"{proxy.url}/predictions/balls", data=body) as response:
                    assert '"label"' not in await response.text()

    run(scenario())
    assert visits == []


def test_a_url_as_the_bytes_of_an_image_is_an_image_and_nothing_else() -> None:
    """It goes to the model as it is, where it is no picture."""
    torchserve, url = FakeTorchServe(), b"http://127.0.0.1:1/photo.png"

    async def scenario() -> None:
        async with proxied(torchserve) as proxy:
            document = {"data": base64.b64encode(url).decode()}
            async with proxy.client.post(f"{proxy.url}/predictions/balls", json=document) as response:
                assert response.status == 200

    run(scenario())
    assert [url] in torchserve.groups
