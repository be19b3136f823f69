"""What AWS answers, as a sentence that says what to do."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from podium.aws_errors import refusal


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
