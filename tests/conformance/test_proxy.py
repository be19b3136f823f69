"""The proxy, in front of a TorchServe that names images by their first word, keeps what does not depend on a model."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from proxy.http.connections import Limits
from tests.conformance.promises import connections, many_images, one_image, refusals, the_server
from tests.conformance.server import Promise, Server
from tests.model_server.proxy.proxies import proxied, run

TOKEN = "a shared secret"
OF_THE_PROXY = (
    one_image.an_image_that_is_put_is_answered_like_one_that_is_posted,
    one_image.an_image_in_chunks_of_unannounced_length_is_read_to_its_end,
    many_images.a_tar_that_is_piped_in_is_read_to_its_end,
    many_images.sixty_four_mebibytes_are_taken_at_once_and_more_are_too_large,
    refusals.ten_mebibytes_are_taken_and_a_byte_more_is_too_large,
    *connections.PROMISES,
    the_server.without_a_known_token_a_request_is_unauthorized,
)


@pytest.mark.parametrize("promise", OF_THE_PROXY, ids=lambda promise: promise.__name__)
def test_the_proxy_keeps(promise: Promise, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(f"{TOKEN}\n")

    async def scenario() -> None:
        async with proxied(token_file=tmp_path / "tokens", connections=Limits(headers_s=1.0)) as proxy:
            await asyncio.to_thread(promise, Server(proxy.url, "balls", TOKEN))

    run(scenario())
