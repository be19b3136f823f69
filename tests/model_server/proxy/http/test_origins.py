"""Browser pages of other origins: off unless the command line names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model_server.proxy.proxies import proxied, run

SHOP = "https://shop.example.com"
ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-top-k"}


def named(header: str) -> set[str]:
    return {name.strip().lower() for name in header.split(",")}


def test_by_default_no_page_may_read_a_response() -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            _, _, response = await proxy.post(b"golf ", Origin=SHOP)
            assert not [name for name in response.headers if name.startswith("Access-Control-")]
            url = f"{proxy.url}/predictions/balls"
            async with proxy.client.options(url, headers={"Origin": SHOP, **ASKS}) as preflight:
                assert preflight.status == 405
                assert "Access-Control-Allow-Origin" not in preflight.headers

    run(scenario())


@pytest.mark.parametrize("allowed", [SHOP, "*"])
def test_a_page_of_an_allowed_origin_asks_first_without_a_token_and_then_sends_one(
    allowed: str, tmp_path: Path
) -> None:
    (tmp_path / "tokens").write_text("secret\n")

    async def scenario() -> None:
        async with proxied(origins=[allowed], token_file=tmp_path / "tokens") as proxy:
            url = f"{proxy.url}/predictions/balls"
            async with proxy.client.options(url, headers={"Origin": SHOP, **ASKS}) as preflight:
                assert (preflight.status, await preflight.read()) == (204, b"")
                assert preflight.headers["Access-Control-Allow-Origin"] == allowed
                assert named(preflight.headers["Access-Control-Allow-Methods"]) == {"post", "put"}
                assert {"authorization", "content-type", "content-encoding", "x-top-k"} == named(
                    preflight.headers["Access-Control-Allow-Headers"]
                )
                assert int(preflight.headers["Access-Control-Max-Age"]) > 0
            for token, status in (("secret", 200), ("wrong", 401)):
                found, _, response = await proxy.post(b"golf ", Origin=SHOP, Authorization=f"Bearer {token}")
                assert found == status
                assert response.headers["Access-Control-Allow-Origin"] == allowed, "a page may read why it is refused"
                assert "retry-after" in named(response.headers["Access-Control-Expose-Headers"])
                assert "Access-Control-Allow-Credentials" not in response.headers

    run(scenario())


@pytest.mark.parametrize(
    "origin",
    [
        "https://shop.example.com.evil.com",
        "http://shop.example.com",
        f"{SHOP}:8443",
        "null",
        "HTTPS://SHOP.example.com",
    ],
)
def test_a_page_of_another_origin_is_granted_nothing(origin: str) -> None:
    async def scenario() -> None:
        async with proxied(origins=[SHOP, "http://localhost:3000"]) as proxy:
            url = f"{proxy.url}/predictions/balls"
            async with proxy.client.options(url, headers={"Origin": origin, **ASKS}) as preflight:
                assert preflight.status == 405
                assert "Access-Control-Allow-Origin" not in preflight.headers
            _, _, response = await proxy.post(b"golf ", Origin=origin)
            assert "Access-Control-Allow-Origin" not in response.headers
            assert response.headers["Vary"] == "Origin", "a cache must not hand this response to another page"

    run(scenario())


def test_a_refusal_a_404_and_ping_may_be_read_too() -> None:
    async def scenario() -> None:
        async with proxied(origins=[SHOP]) as proxy:
            for path in ("/ping", "/nowhere", "/predictions/cats"):
                async with proxy.client.get(proxy.url + path, headers={"Origin": SHOP}) as response:
                    assert response.headers["Access-Control-Allow-Origin"] == SHOP
            async with proxy.client.options(f"{proxy.url}/nowhere", headers={"Origin": SHOP, **ASKS}) as preflight:
                assert preflight.status == 404

    run(scenario())


def test_who_is_no_browser_is_served_as_ever() -> None:
    async def scenario() -> None:
        async with proxied(origins=[SHOP]) as proxy:
            status, _, response = await proxy.post(b"golf ")
            assert status == 200
            assert "Access-Control-Allow-Origin" not in response.headers

    run(scenario())
