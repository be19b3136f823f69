"""The local stack's variables and the person's own: into the shell of `podium env`, and out of it again."""

from __future__ import annotations

import pytest

from podium import aws_variables
from podium.aws_variables import (
    KEPT,
    kept_changes,
    local_changes,
    local_environment,
    own_environment,
    speak_to_aws,
    without_local_stack,
)

LOCAL = {
    "AWS_ENDPOINT_URL": "https://127.0.0.1:4566", "AWS_CA_BUNDLE": "/home/me/.podium/tls/ca.pem",
    "AWS_ACCESS_KEY_ID": "000000000000", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1",
}  # fmt: skip
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "mine", "AWS_SESSION_TOKEN": "an hour"}
PERSONS = {
    "HOME": "/home/me", "AWS_PROFILE": "work", "AWS_REGION": "eu-west-1", "AWS_CA_BUNDLE": "/etc/proxy.pem",
    "AWS_ENDPOINT_URL_SQS": "https://vpce.example", "AWS_PAGER": "", "HTTPS_PROXY": "http://proxy.example", "NO_PROXY": ".example",
}  # fmt: skip


def evaluated(environment: dict[str, str]) -> dict[str, str]:
    """A shell's variables after `eval "$(podium env)"`."""
    changes = local_changes(environment, LOCAL)
    return {**local_environment(environment, LOCAL), KEPT: kept_changes(environment, changes)}


def test_in_the_local_shell_nothing_of_the_person_s_account_is_left() -> None:
    shell = evaluated({**PERSONS, **KEYS})
    assert shell.items() >= LOCAL.items()
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_SQS"} & shell.keys()
    assert shell["AWS_PAGER"] == ""
    assert shell["HTTPS_PROXY"] == "http://proxy.example"
    assert shell["NO_PROXY"] == shell["no_proxy"] == ".example,127.0.0.1,localhost,::1"
    assert shell["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] == "false"


@pytest.mark.parametrize("before", [{}, PERSONS, KEYS, {**PERSONS, **KEYS}])
@pytest.mark.parametrize("times", [1, 2])
def test_on_aws_everything_is_as_before_but_the_endpoints(before: dict[str, str], times: int) -> None:
    shell = before
    for _ in range(times):
        shell = evaluated(shell)
    assert without_local_stack(shell) == before
    assert own_environment(shell) == {name: value for name, value in before.items() if "ENDPOINT" not in name}


def test_what_a_person_sets_in_the_local_shell_is_theirs() -> None:
    shell = {**evaluated(KEYS), "AWS_PROFILE": "work", "AWS_REGION": "eu-west-1"}
    assert own_environment(shell) == {**KEYS, "AWS_PROFILE": "work", "AWS_REGION": "eu-west-1"}


def test_an_old_session_s_token_does_not_come_back_beside_new_keys() -> None:
    new = {"AWS_ACCESS_KEY_ID": "AKIANEW", "AWS_SECRET_ACCESS_KEY": "new"}
    assert own_environment({**evaluated(KEYS), **new}) == new


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_CLOUDFORMATION", "AWS_ENDPOINT_URL_S3"])
def test_an_endpoint_that_a_person_set_by_hand_is_none_of_aws_s(name: str) -> None:
    shell = {**KEYS, name: "https://localhost:4566", "AWS_CA_BUNDLE": "/some/ca.pem"}
    assert own_environment(shell) == KEYS


def test_the_certificates_of_a_person_s_own_proxy_stay() -> None:
    assert own_environment({"AWS_CA_BUNDLE": "/etc/proxy.pem"}) == {"AWS_CA_BUNDLE": "/etc/proxy.pem"}


@pytest.mark.parametrize("kept", ["", "no JSON", "[]", '{"set": 3, "before": [1]}', '{"set": {"AWS_REGION": 4}}'])
def test_a_damaged_note_of_what_was_before_is_none(kept: str) -> None:
    assert own_environment({**KEYS, KEPT: kept}) == KEYS


def test_keys_of_the_local_stack_without_a_note_are_dropped_and_the_region_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Local:
        client_environment = LOCAL

    monkeypatch.setattr(aws_variables, "local_stack", Local)
    assert own_environment(LOCAL) == {"AWS_REGION": "us-east-1"}
    assert own_environment({**KEYS, "AWS_REGION": "us-east-1"}) == {**KEYS, "AWS_REGION": "us-east-1"}


def test_boto3_gets_the_region_that_the_aws_cli_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://127.0.0.1:1")
    speak_to_aws()
    assert os.environ["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert "AWS_ENDPOINT_URL" not in os.environ
