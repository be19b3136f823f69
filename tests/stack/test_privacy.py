"""The embedded AWS is one person's: who has no key of this stack gets nothing, and files are the owner's alone."""

from __future__ import annotations

import json
import shlex
import subprocess

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.stack.aws import Root
from tests.stack.conftest import Console, Json

pytestmark = pytest.mark.stack

# The function's ARN and its role's are the same on every machine, and the emulator derives its keys from nothing else.
DERIVED_SECRET = """
import sys
from ministack.core import lambda_runtime
from ministack.services import sts
import ministack.app
ministack.app.AUTH = True
print(*lambda_runtime.execution_credentials({"FunctionArn": sys.argv[1], "Role": sys.argv[2], "FunctionName": "x"}).values())
"""


def client(
    facts: dict[str, str], service: str, key: str, secret: str, token: str | None = None, **config: Json
) -> Json:
    session = boto3.Session(key, secret, token, region_name=facts["region"])
    return session.client(  # type: ignore[call-overload]
        service, endpoint_url=facts["endpoint_url"], verify=facts["ca_bundle"], config=Config(**config)
    )


@pytest.mark.parametrize(
    ("key", "secret"), [("000000000000", "local"), ("000000000000", "test"), ("test", "test"), ("111111111111", "test")]
)
def test_the_emulator_s_well_known_keys_open_nothing(facts: dict[str, str], key: str, secret: str) -> None:
    for service, call in (("s3", "list_buckets"), ("lambda", "list_functions"), ("iam", "list_users")):
        with pytest.raises(ClientError) as refused:
            getattr(client(facts, service, key, secret), call)()
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_nothing_is_answered_without_a_signature(facts: dict[str, str]) -> None:
    for service, call in (("s3", "list_buckets"), ("lambda", "list_functions"), ("sqs", "list_queues")):
        with pytest.raises(ClientError) as refused:
            getattr(client(facts, service, "x", "x", signature_version=UNSIGNED), call)()
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize("page", ["POST /_ministack/reset", "GET /_ministack/health", "GET /_ministack/sqs/messages"])
def test_the_emulator_s_own_pages_are_closed(stack: Console, facts: dict[str, str], page: str) -> None:
    method, path = page.split()
    curl = f"curl --silent --request {method} --cacert $AWS_CA_BUNDLE --write-out ' %{{http_code}}' "
    assert stack.shell(f"{curl} {facts['endpoint_url']}{path}").endswith(" 403")
    assert len(stack.results("demo")) == 60


def test_a_function_s_keys_cannot_be_derived_from_its_name(root: Root, facts: dict[str, str]) -> None:
    function = root.functions.get_function(FunctionName=facts["function"])["Configuration"]
    derived = subprocess.run(
        [".venv-tools/bin/python", "-c", DERIVED_SECRET, function["FunctionArn"], function["Role"]],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    with pytest.raises(ClientError) as refused:
        client(facts, "s3", *derived).list_objects_v2(Bucket=facts["input_bucket"])
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_links_of_both_signatures_read_and_write(stack: Console, root: Root, facts: dict[str, str]) -> None:
    bucket, key = facts["input_bucket"], "other/a b+ü(1)&=#%25.txt"
    root.s3.put_object(Bucket=bucket, Key=key, Body=b"hello")
    link = stack.shell(f"aws s3 presign {shlex.quote(f's3://{bucket}/{key}')}").strip()
    assert fetched(stack, link) == "hello 200"
    secret = json.loads((stack.home / "local.json").read_text())["secret"]
    for version in ("s3", "s3v4"):
        s3 = client(facts, "s3", "000000000000", secret, signature_version=version)
        disposition = {"ResponseContentDisposition": 'attachment; filename="x y.txt"'}
        read = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key, **disposition})
        assert 'filename="x y.txt"' in fetched(stack, read, "--include")
        write = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": f"{key}-{version}"})
        assert fetched(stack, write, "--upload-file", str(stack.home / "demo" / "run" / "model.json")).endswith("200")
        assert root.s3.head_object(Bucket=bucket, Key=f"{key}-{version}")["ContentLength"] > 100
        expired = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key}, ExpiresIn=0)
        assert "Request has expired" in fetched(
            stack, expired, "--retry", "3", "--retry-delay", "1", "--fail-with-body"
        )


def fetched(stack: Console, url: str, *options: str) -> str:
    arguments = shlex.join([*options, url])
    return stack.shell(f"curl --silent --cacert $AWS_CA_BUNDLE --write-out ' %{{http_code}}' {arguments} || true")


def test_others_may_read_nothing_of_the_home(stack: Console) -> None:
    open_to_others = subprocess.check_output(
        ["find", str(stack.home), "-perm", "/077", "-not", "-type", "l"], text=True
    )
    assert open_to_others == ""
