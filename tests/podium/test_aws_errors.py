"""What AWS answers, as a sentence that says what to do."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import trustme
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from podium import listener, project
from podium.aws_errors import refusal, sentence_of
from podium.project import LocalStack


def refused(code: str, message: str = "no") -> str:
    return refusal(ClientError({"Error": {"Code": code, "Message": message}}, "DescribeStacks"), "AWS")


def test_a_clock_that_is_wrong_is_to_be_set() -> None:
    said = refused("RequestTimeTooSkewed", "Signed at 20261130T164242Z, and it is 20261130T174242Z.")
    assert said == (
        "AWS refused DescribeStacks, as this machine's clock is wrong. Set it. "
        "(Signed at 20261130T164242Z, and it is 20261130T174242Z.)"
    )


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "RequestExpired", "AuthFailure"])
def test_where_a_signature_may_be_too_old_the_clock_is_named_beside_the_credentials(code: str) -> None:
    assert refused(code).endswith("Check this machine's clock, too.")


def test_an_unknown_key_is_no_matter_of_the_clock() -> None:
    assert "clock" not in refused("InvalidClientTokenId")


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """That of a local stack which has ended."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setattr(listener, "CA_BUNDLE", tmp_path / "ca.pem")
    monkeypatch.setattr(project, "LOCAL_FILES", (tmp_path / "local.json",))
    monkeypatch.setattr(project, "HOME", tmp_path)
    LocalStack(emulator_port=port, inference_port=1, management_port=2, metrics_port=3, secret="s").save()
    return port


@pytest.mark.parametrize("kind", [EndpointConnectionError, ConnectTimeoutError, ReadTimeoutError])
def test_a_local_stack_that_ends_during_a_command_is_to_be_started_and_the_network_is_not_at_fault(
    port: int, kind: type[EndpointConnectionError]
) -> None:
    error = kind(endpoint_url=f"https://127.0.0.1:{port}/podium-input/incoming/a.jpg", error="refused")
    assert sentence_of(error, "S3") == "the local stack does not run. Start it with `podium up`."


@pytest.mark.parametrize("url", ["https://s3.eu-west-1.amazonaws.com/x", "https://127.0.0.1:1/x", "https://[/x", ""])
def test_another_server_that_cannot_be_reached_is_a_matter_of_the_network(port: int, url: str) -> None:
    assert port != 1
    sentence = sentence_of(EndpointConnectionError(endpoint_url=url, error="refused"), "S3")
    assert sentence.startswith("S3 cannot be reached (")
