"""The model server's token: from Secrets Manager to the header, and what happens when it is wrong, away or replaced."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import boto3
import pytest
from aws_lambda_powertools.utilities.parameters import SecretsProvider
from botocore.exceptions import ConnectTimeoutError
from moto import mock_aws

from pipeline.classify.ask import Ask
from pipeline.classify.connections import open_connections
from pipeline.errors import ModelUnavailable
from pipeline.gate.handler import open_clients
from pipeline.model_server.client import ModelClient
from pipeline.model_server.token import NOT_READ_FOR_S, READ_AGAIN_AFTER_S, BearerToken, token_for
from pipeline.settings import GateSettings, Settings
from tests.functions.conftest import Aws
from tests.functions.factories import JPEG, server_answer
from tests.functions.fake_model_server import ModelServer
from tests.functions.model_server.test_client import WallClock

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

HTTPS = "https://models.internal"


@pytest.fixture
def secrets() -> Iterator[SecretsManagerClient]:
    with mock_aws():
        yield boto3.client("secretsmanager", "us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")


@pytest.fixture
def arn(secrets: SecretsManagerClient) -> str:
    return secrets.create_secret(Name="model-server", SecretString="first")["ARN"]


@pytest.fixture
def clock() -> WallClock:
    clock = WallClock()
    clock.now_s = 1000.0
    return clock


@pytest.fixture
def client(secrets: SecretsManagerClient, arn: str, model_server: ModelServer, clock: WallClock) -> ModelClient:
    token = token_of(secrets, arn, model_server.url, clock)
    return ModelClient(model_server.url, "balls", timeout_s=20, token=token, now_s=clock)


def ask(model: Ask) -> object:
    [answer] = model.ask([JPEG], budget_s=60)
    return answer


def token_of(secrets: object, arn: str, server_url: str, clock: WallClock | None = None) -> BearerToken:
    provider = SecretsProvider(boto3_client=cast("SecretsManagerClient", secrets))
    return BearerToken(provider, arn, server_url, now_s=clock or WallClock())


def test_every_request_carries_the_token(client: ModelClient, model_server: ModelServer) -> None:
    model_server.tokens = {"first"}
    assert ask(client) == server_answer()
    assert client.ask([JPEG] * 2, budget_s=60) == [server_answer()] * 2
    assert len(model_server.paths) == 2


def test_without_a_secret_none_is_sent(model_server: ModelServer) -> None:
    assert token_for("", model_server.url) is None
    model_server.tokens = {"first"}
    with pytest.raises(ModelUnavailable, match="answered 401: does it expect a token"):
        ask(ModelClient(model_server.url, "balls", timeout_s=20))


def test_a_replaced_token_costs_no_image_a_receive(
    client: ModelClient, model_server: ModelServer, secrets: SecretsManagerClient, arn: str, clock: WallClock
) -> None:
    model_server.tokens = {"first"}
    ask(client)
    secrets.put_secret_value(SecretId=arn, SecretString="second\n")
    model_server.tokens = {"second"}
    clock.now_s += READ_AGAIN_AFTER_S
    assert ask(client) == server_answer()
    assert ask(client) == server_answer()
    assert len(model_server.paths) == 4  # the first, the refused one, the same again, and the next


def test_a_token_that_stays_refused_is_read_again_now_and_then_and_not_for_every_image(
    client: ModelClient, model_server: ModelServer, secrets: SecretsManagerClient, arn: str, clock: WallClock
) -> None:
    model_server.tokens = {"second"}
    for _ in range(5):
        with pytest.raises(ModelUnavailable, match="answered 401"):
            ask(client)
    secrets.put_secret_value(SecretId=arn, SecretString="second")
    with pytest.raises(ModelUnavailable, match="answered 401"):
        ask(client)  # it was read a moment ago
    assert len(model_server.paths) == 6
    clock.now_s += READ_AGAIN_AFTER_S
    assert ask(client) == server_answer()


def test_a_secret_that_is_away_is_the_servers_state(secrets: SecretsManagerClient, arn: str) -> None:
    gone = token_of(secrets, f"{arn}-gone", HTTPS)
    with pytest.raises(ModelUnavailable, match=rf"token, {arn}-gone, cannot be read: .*Does the secret exist"):
        gone.current()


@pytest.mark.parametrize("text", ["", "two words", '{"token": "first"}', "first\nsecond", "schlüssel"])
def test_a_text_that_is_no_token_is_reported_and_never_quoted(secrets: SecretsManagerClient, text: str) -> None:
    arn = secrets.create_secret(Name="wrong", SecretString=text or " ")["ARN"]
    with pytest.raises(ModelUnavailable, match="holds no bearer token: its whole text must be the token") as error:
        token_of(secrets, arn, HTTPS).current()
    assert not text or text not in str(error.value)


def test_a_secret_of_bytes_is_no_token(secrets: SecretsManagerClient) -> None:
    arn = secrets.create_secret(Name="bytes", SecretBinary=b"first")["ARN"]
    with pytest.raises(ModelUnavailable, match="holds no bearer token"):
        token_of(secrets, arn, HTTPS).current()


@pytest.mark.parametrize("url", ["http://models.internal:8080", "http://10.0.0.5"])
def test_a_token_never_travels_in_clear_text(secrets: SecretsManagerClient, arn: str, url: str) -> None:
    with pytest.raises(ModelUnavailable, match=f"{url} would send it in clear text: deploy again with an https"):
        token_of(secrets, arn, url).current()


@pytest.mark.parametrize("url", [HTTPS, "http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"])
def test_over_tls_and_on_loopback_it_does(secrets: SecretsManagerClient, arn: str, url: str) -> None:
    assert token_of(secrets, arn, url).current() == "first"


def test_classify_and_gate_send_the_token_of_their_settings(
    aws: Aws, settings: Settings, model_server: ModelServer
) -> None:
    arn = boto3.client("secretsmanager").create_secret(Name="deployed", SecretString="first")["ARN"]
    model_server.tokens = {"first"}
    deployed = settings.model_copy(update={"model_server_token_secret": arn})
    probing = GateSettings(
        event_source_mapping="a-mapping",
        queue_url=aws.queue_url,
        model_server_url=model_server.url,
        model_server_token_secret=arn,
        model_name="balls",
    )
    for model in (open_connections(deployed).model, open_clients(probing).model):
        assert ask(model) == server_answer()


class Unreachable:
    """Secrets Manager behind a subnet without a way to it."""

    def __init__(self, clock: WallClock, takes_s: float) -> None:
        self.clock, self.takes_s, self.requests = clock, takes_s, 0

    def get_secret_value(self, **_: str) -> dict[str, str]:
        self.requests += 1
        self.clock.now_s += self.takes_s
        raise ConnectTimeoutError(endpoint_url="https://secretsmanager")


def test_a_secret_that_cannot_be_read_is_tried_once_for_all_images_of_an_invocation(clock: WallClock) -> None:
    away = Unreachable(clock, takes_s=2)
    token = token_of(away, "an-arn", HTTPS, clock)
    for _ in range(20):
        with pytest.raises(ModelUnavailable, match="cannot be read"):
            token.current()
    assert away.requests == 1
    clock.now_s += NOT_READ_FOR_S
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        token.current()
    assert away.requests == 2


def test_the_time_for_the_secret_is_part_of_the_budget(model_server: ModelServer, clock: WallClock) -> None:
    class Slow:
        def get_secret_value(self, **_: str) -> dict[str, str]:
            clock.now_s += 20
            return {"SecretString": "first"}

    token = token_of(Slow(), "an-arn", model_server.url, clock)
    client = ModelClient(model_server.url, "balls", timeout_s=20, token=token, now_s=clock)
    with pytest.raises(ModelUnavailable, match="no time was left"):
        ask(client)
    assert model_server.paths == []
