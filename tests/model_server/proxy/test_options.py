"""The command line: what is refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.options import Options, WrongOption, read_options


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "balls.mar").write_bytes(b"")
    return tmp_path


def read(store: Path, *arguments: str) -> Options:
    return read_options(["--model-store", str(store), "--models", "balls=balls.mar", *arguments])


def test_the_usual_proxy_listens_on_loopback(store: Path) -> None:
    options = read(store)
    assert options.model_names == ("balls",)
    assert options.listen.is_loopback
    assert options.metrics.is_loopback


@pytest.mark.parametrize("address", ["0.0.0.0:8080", "[::]:8080", "10.0.0.1:80", "podium.internal:8080"])
def test_listening_beyond_loopback_wants_tokens_or_an_explicit_option(store: Path, address: str) -> None:
    with pytest.raises(WrongOption, match=r"--token-file .* --no-token"):
        read(store, "--listen", address)
    assert read(store, "--listen", address, "--no-token").token_file is None
    assert read(store, "--listen", address, "--token-file", "tokens").token_file == Path("tokens")


@pytest.mark.parametrize("address", ["127.0.0.1:8080", "[::1]:8080", "localhost:8080", "127.8.8.8:80"])
def test_loopback_has_many_names(store: Path, address: str) -> None:
    assert read(store, "--listen", address).listen.is_loopback


def test_the_metrics_page_has_no_tokens_so_only_an_explicit_option_opens_it(store: Path) -> None:
    beyond = ["--metrics", "0.0.0.0:8082"]
    with pytest.raises(WrongOption, match="say with --metrics-unguarded that something else guards it"):
        read(store, *beyond, "--token-file", "tokens")
    options = read(store, *beyond, "--listen", "0.0.0.0:8080", "--token-file", "tokens", "--metrics-unguarded")
    assert (options.metrics.is_loopback, options.token_file) == (False, Path("tokens"))
    assert not read(store, *beyond, "--no-token").metrics.is_loopback


def test_the_option_for_the_metrics_page_opens_nothing_else(store: Path) -> None:
    with pytest.raises(WrongOption, match=r"--listen 0\.0\.0\.0 is reached by others"):
        read(store, "--listen", "0.0.0.0:8080", "--metrics", "0.0.0.0:8082", "--metrics-unguarded")


@pytest.mark.parametrize("address", ["8080", "host:", ":80", "host:http", "host:70000"])
def test_an_address_that_is_none_is_quoted(store: Path, address: str) -> None:
    with pytest.raises(WrongOption, match=address):
        read(store, "--listen", address)


@pytest.mark.parametrize("origin", ["*", "https://shop.example.com", "http://localhost:3000", "http://[::1]:3000"])
def test_browser_pages_may_be_named_and_by_default_none_is(store: Path, origin: str) -> None:
    assert read(store).allow_origins == ()
    assert read(store, "--allow-origin", origin, "--allow-origin", "https://a.example").allow_origins == (
        origin,
        "https://a.example",
    )


@pytest.mark.parametrize(
    "origin",
    ["shop.example.com", "https://shop.example.com/", "https://shop.example.com/page", "null", "", "https://*.a.de"],
)
def test_an_origin_that_no_browser_sends_is_quoted(store: Path, origin: str) -> None:
    with pytest.raises(WrongOption, match="expected an origin as browsers send it") as refused:
        read(store, f"--allow-origin={origin}")
    assert str(refused.value).startswith(f"--allow-origin {origin}: ")


@pytest.mark.parametrize("models", ["balls", "balls=", "=balls.mar", "balls=other.mar"])
def test_a_model_without_a_file_is_refused(store: Path, models: str) -> None:
    with pytest.raises(WrongOption, match=r"expected NAME=FILE\.mar"):
        read_options(["--model-store", str(store), "--models", models])


@pytest.mark.parametrize(
    "wrong", [["--batch-images", "65"], ["--batch-images", "0"], ["--workers", "-1"], ["--connections", "0"]]
)
def test_a_number_out_of_range_is_a_usage_error(
    store: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        read(store, *wrong)
    assert ended.value.code == 2
    assert wrong[0] in capsys.readouterr().err
