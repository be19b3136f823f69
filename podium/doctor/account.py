"""The AWS account, for both shapes: where this shell points, who asks, the buckets' names, and how many functions may run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from podium.aws_account import Account, where_to_deploy
from podium.aws_variables import ENDPOINT
from podium.doctor.asked import as_far_as_allowed
from podium.doctor.finding import Finding
from podium.doctor.gpu import look_at_gpu_path
from podium.errors import ConsoleError
from podium.loopback import HOSTS

if TYPE_CHECKING:
    import boto3

FUNCTIONS_AT_ONCE = 8  # template.yaml's default of that name
OTHER_FUNCTIONS = 2  # finish, and one of reconcile, backfill and gate, beside them
CONCURRENCY = "L-B99A9384"  # 'Concurrent executions' of Lambda, in Service Quotas
MOST_MEMORY_MB = 3008  # for one function of a new account; no API says the account's own limit


def shell_finding(environment: Mapping[str, str]) -> Finding:
    """Whether `aws` and `sam` in this shell would go to the local stack."""
    here = sorted(
        name
        for name, value in environment.items()
        if (name == ENDPOINT or name.startswith(f"{ENDPOINT}_")) and urlsplit(value).hostname in HOSTS
    )
    why = "`podium ... --stack NAME` goes to AWS from any shell; `aws` and `sam` go where the shell points"
    if not here:
        return Finding("account", "shell", "points at AWS", why)
    found = f"points at the local stack ({', '.join(here)})"
    return Finding("account", "shell", found, why, 'eval "$(podium env --unset)"')


def look_at_aws(stack: str, max_tasks: int, subnets: Sequence[str]) -> Iterator[Finding]:
    """All of it. Ends after `credentials` if these, the Region or the network leave nothing to ask."""
    yield shell_finding(os.environ)  # before where_to_deploy, which leads this process to AWS
    why = "the stack is made in this account and Region"
    try:
        there = where_to_deploy(stack)
    except ConsoleError as problem:
        yield Finding("account", "credentials", "AWS does not know who asks, or where", why, str(problem))
        return
    yield Finding("account", "credentials", str(there), why)
    import boto3

    session = boto3.Session(profile_name=there.profile, region_name=there.region)
    yield from as_far_as_allowed("account", "account", look_at_account(session, there, stack))
    yield from look_at_gpu_path(session, max_tasks, subnets)


def look_at_account(session: boto3.Session, there: Account, stack: str) -> Iterator[Finding]:
    """What the stack needs of the account in both shapes."""
    for kind in ("input", "results", "logs"):
        yield bucket_finding(session, there, stack, kind)
    limit = session.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    yield concurrency_finding(limit)


def bucket_finding(session: boto3.Session, there: Account, stack: str, kind: str) -> Finding:
    """Whether the bucket can be made: names are the world's, and a stack leaves its buckets when it is deleted."""
    from botocore.exceptions import ClientError

    name = f"{stack}-{kind}-{there.account}-{there.region}"
    why = "the stack makes a bucket of this name"
    try:
        session.client("s3").head_bucket(Bucket=name, ExpectedBucketOwner=there.account)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return Finding("account", f"bucket {name}", "the name is free", why)
        found = f"somebody else's, or forbidden to you ({error.response['Error'].get('Code')})"
        return Finding("account", f"bucket {name}", found, why, f"choose another name than --stack {stack}")
    if _is_deployed(session, stack):
        return Finding("account", f"bucket {name}", f"is there, as is the stack {stack}", why)
    found = "is left from a former stack of this name, and `sam deploy` cannot make it again"
    mend = f"podium deploy --stack {stack} takes it over; podium destroy --stack {stack} --delete-data deletes it"
    return Finding("account", f"bucket {name}", found, why, mend)


def concurrency_finding(limit: int) -> Finding:
    """How many functions the account may run at once: a new one 10, where 1,000 is usual."""
    needed = FUNCTIONS_AT_ONCE + OTHER_FUNCTIONS
    mend = f"aws service-quotas request-service-quota-increase --service-code lambda --quota-code {CONCURRENCY} --desired-value 1000"
    why = (
        f"the stack runs up to FunctionsAtOnce ({FUNCTIONS_AT_ONCE}) and {OTHER_FUNCTIONS} more, of up to {MOST_MEMORY_MB} MB; "
        "with less, images wait longer"
    )
    return Finding("account", "functions at once", str(limit), why, None if limit >= needed else mend)


def _is_deployed(session: boto3.Session, stack: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        session.client("cloudformation").describe_stacks(StackName=stack)
    except ClientError as error:
        if error.response["Error"].get("Code") != "ValidationError":
            raise
        return False
    return True
