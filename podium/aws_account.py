"""Where `--stack NAME` leads: the account and the Region, confirmed before anything is made there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from podium.aws_errors import explained
from podium.aws_variables import speak_to_aws
from podium.errors import EXIT_USAGE, ConsoleError
from podium.project import ROOT

if TYPE_CHECKING:
    import boto3

BUCKET_NAME_LIMIT = 63  # S3's
LONGEST_BUCKET = "-results-{account}-{region}"  # after the stack's name, in template.yaml
REACHED_WITHIN_S = 5.0
RESERVED = ("xn--", "sthree-", "amzn-s3-demo-")  # no bucket may begin so


class Account(NamedTuple):
    """Who asks, and where."""

    account: str  # its twelve digits
    region: str
    identity: str  # the ARN of the person or the role
    profile: str | None  # None: keys in the environment, or the machine's own role
    endpoint_url: str | None  # None: AWS itself

    def __str__(self) -> str:
        """As a person confirms it."""
        profile = f", profile {self.profile}" if self.profile else ""
        there = f", at {self.endpoint_url}" if self.endpoint_url else ""
        return f"account {self.account} ({self.identity}{profile}), Region {self.region}{there}"


def check_stack_name(stack: str) -> None:
    """ConsoleError unless CloudFormation takes the name, and S3 takes it as the beginning of a bucket's."""
    if not re.fullmatch(r"[a-z][a-z0-9-]*", stack) or stack.startswith(RESERVED):
        raise ConsoleError(
            f"--stack {stack!r} cannot be a stack's name: its buckets begin with it, so use a small letter first, and then "
            "small letters, digits and hyphens, such as photos-2.",
            EXIT_USAGE,
        )


def check_length(stack: str, region: str) -> None:
    """ConsoleError if the stack's buckets would have longer names than S3 takes, in this Region."""
    longest = BUCKET_NAME_LIMIT - len(LONGEST_BUCKET.format(account="0" * 12, region=region))
    if len(stack) > longest:
        raise ConsoleError(
            f"--stack {stack!r} has {len(stack)} characters, and in {region} at most {longest} fit: its buckets are called "
            f"NAME{LONGEST_BUCKET.format(account='ACCOUNT', region=region)}, of {BUCKET_NAME_LIMIT} characters at most.",
            EXIT_USAGE,
        )


def where_to_deploy(stack: str) -> Account:
    """The account and Region that the SAM CLI will deploy to; ConsoleError without a Region, credentials or network."""
    import boto3

    check_stack_name(stack)
    speak_to_aws()
    profile = _profile_of_sam(ROOT / "samconfig.toml")
    with explained():
        session = boto3.Session(profile_name=profile)
    return account_of(session, stack, profile)


def account_of(session: boto3.Session, stack: str, profile: str | None = None) -> Account:
    """Whose account the session reaches, and where; ConsoleError without a Region, credentials or network."""
    from botocore.config import Config
    from botocore.exceptions import NoRegionError

    quick = Config(connect_timeout=REACHED_WITHIN_S, retries={"total_max_attempts": 1})
    with explained():
        if not session.region_name:
            raise NoRegionError
        check_length(stack, session.region_name)
        client = session.client("sts", config=quick)
        caller = client.get_caller_identity()
        stacks = session.client("cloudformation").meta.endpoint_url
        signed_with = session.get_credentials()
    named = profile or (session.profile_name if signed_with and signed_with.method != "env" else None)
    return Account(
        account=caller["Account"],
        region=session.region_name,
        identity=caller["Arn"],
        profile=named,
        endpoint_url=None if "amazonaws" in stacks else stacks,
    )


def _profile_of_sam(config: Path) -> str | None:
    """The profile that `sam deploy --guided --profile NAME` wrote down: the SAM CLI prefers it to AWS_PROFILE."""
    try:
        default = tomllib.loads(config.read_text(encoding="utf-8")).get("default", {})
    except (OSError, ValueError) as error:
        raise ConsoleError(f"{config} cannot be read as TOML ({error}). Mend it: the SAM CLI reads it, too.") from error
    for command in ("deploy", "global"):
        profile = default.get(command, {}).get("parameters", {}).get("profile")
        if isinstance(profile, str):
            return profile
    return None
