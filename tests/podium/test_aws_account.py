"""Where `podium deploy --stack NAME` leads, confirmed before anything is made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from podium import aws_account
from podium.aws_account import check_length, check_stack_name, where_to_deploy
from podium.errors import EXIT_USAGE, ConsoleError


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Keys of an account of moto's, in Ireland, and no AWS configuration of this machine."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(aws_account, "ROOT", tmp_path)
    (tmp_path / "samconfig.toml").write_text("version = 0.1\n")
    with mock_aws():
        yield


@pytest.mark.parametrize(
    "name", ["", "Prod", "prod_2", "2prod", "prod.eu", "-prod", "prod ", "près", "xn--prod", "--yes", "a/b"]
)
def test_a_name_that_its_buckets_cannot_have_is_refused(name: str) -> None:
    with pytest.raises(ConsoleError, match="small letters, digits and hyphens") as refused:
        check_stack_name(name)
    assert refused.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize(("region", "longest"), [("us-east-1", 32), ("ap-southeast-1", 27), ("eu-central-1", 29)])
def test_the_longest_name_is_what_leaves_its_buckets_63_characters(region: str, longest: int) -> None:
    assert len(f"{'a' * longest}-results-000000000000-{region}") == 63
    check_length("a" * longest, region)
    with pytest.raises(ConsoleError, match=f"has {longest + 1} characters, and in {region} at most {longest} fit"):
        check_length("a" * (longest + 1), region)


def test_the_buckets_of_the_template_are_called_as_the_length_assumes() -> None:
    template = (Path(__file__).parents[2] / "template.yaml").read_text()
    assert "${AWS::StackName}-results-${AWS::AccountId}-${AWS::Region}" in template
    assert "${AWS::StackName}-input-${AWS::AccountId}-${AWS::Region}" in template


@pytest.mark.usefixtures("account")
def test_account_identity_and_region_are_named() -> None:
    there = where_to_deploy("prod")
    assert (there.account, there.region, there.profile, there.endpoint_url) == ("123456789012", "eu-west-1", None, None)
    assert str(there) == "account 123456789012 (arn:aws:sts::123456789012:user/moto), Region eu-west-1"


@pytest.mark.usefixtures("account")
def test_the_local_stack_s_endpoint_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://127.0.0.1:1")
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere/ca.pem")
    assert where_to_deploy("prod").account == "123456789012"


@pytest.mark.usefixtures("account")
def test_a_profile_that_sam_wrote_down_is_the_one_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[work]\naws_access_key_id = a\naws_secret_access_key = b\n")
    (tmp_path / "samconfig.toml").write_text('[default.deploy.parameters]\nprofile = "work"\n')
    assert ", profile work), Region eu-west-1" in str(where_to_deploy("prod"))


@pytest.mark.usefixtures("account")
def test_an_endpoint_in_the_person_s_own_configuration_is_named(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(
        "[default]\nservices = here\n[services here]\ncloudformation =\n  endpoint_url = https://127.0.0.1:1\n"
    )
    assert str(where_to_deploy("prod")).endswith("Region eu-west-1, at https://127.0.0.1:1")


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"AWS_DEFAULT_REGION": ""}, "no Region is set"),
        ({"AWS_DEFAULT_REGION": "no region"}, "doesn't match a supported format. Set AWS_REGION"),
        ({"AWS_PROFILE": "nobody"}, "(nobody) could not be found. Unset AWS_PROFILE"),
    ],
)
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], sentence: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConsoleError) as missing:
        where_to_deploy("prod")
    assert sentence in str(missing.value)
