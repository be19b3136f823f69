"""Who read which object, and who asked the model server, can be looked up."""

from __future__ import annotations

from tests.gates.shapes import ACCOUNT, Shape, shapes
from tests.gates.templates import ROOT, Json, decoded, templates, translated

CORE, GPU = ROOT / "template.yaml", ROOT / "model_server" / "gpu-stack.yaml"


def buckets(resources: Json) -> dict[str, Json]:
    return {name: it["Properties"] for name, it in resources.items() if it["Type"] == "AWS::S3::Bucket"}


def statement(resources: Json, sid: str) -> Json:
    [found] = [
        it for it in resources["LogsBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"] if it["Sid"] == sid
    ]
    return dict(found)


def core(**values: str) -> Json:
    template = translated(CORE)
    defaults = {name: str(it.get("Default", "")) for name, it in template["Parameters"].items()}
    lists = {name: [""] for name, it in template["Parameters"].items() if "List" in it["Type"]}
    return Shape(template, {**defaults, **lists, **values}).resources()


def test_every_bucket_logs_who_reads_it_into_one_that_takes_logs_of_this_stack_alone() -> None:
    resources = core()
    allowed = statement(resources, "S3Logs")
    assert allowed["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert allowed["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
    for name, bucket in buckets(resources).items():
        if name == "LogsBucket":
            assert "LoggingConfiguration" not in bucket, "a bucket that logs into itself grows for ever"
            continue
        logging = bucket["LoggingConfiguration"]
        assert logging["DestinationBucketName"] == "logsbucket"
        assert f"arn:aws:s3:::logsbucket/{logging['LogFilePrefix']}*" in allowed["Resource"]
        assert f"arn:aws:s3:::{bucket['BucketName']}" in allowed["Condition"]["ArnEquals"]["aws:SourceArn"]
        depends_on = resources[name]["DependsOn"]
        assert "LogsBucketPolicy" in depends_on, "S3 tests whether it may write when logs are switched on"


def test_logs_are_kept_as_long_as_the_parameter_says_and_with_0_none_are_written() -> None:
    [rule] = buckets(core(AccessLogDays="90"))["LogsBucket"]["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] == "90"
    without = buckets(core(AccessLogDays="0"))
    assert [name for name, bucket in without.items() if "LoggingConfiguration" in bucket] == []
    [rule] = without["LogsBucket"]["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] == 1, "what is there still goes"


def test_the_balancer_logs_into_the_core_stacks_bucket_that_takes_logs_of_this_accounts_balancers_alone() -> None:
    [gpu] = [it for shape, it in shapes(GPU) if shape == "most"]
    attributes = {it["Key"]: it["Value"] for it in gpu["Balancer"]["Properties"]["LoadBalancerAttributes"]}
    resources = core()
    assert attributes["access_logs.s3.enabled"] == "true"
    assert attributes["access_logs.s3.bucket"] == resources["LogsBucket"]["Properties"]["BucketName"]
    allowed = statement(resources, "BalancerLogs")
    assert allowed["Principal"] == {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"}
    assert allowed["Resource"] == f"arn:aws:s3:::logsbucket/{attributes['access_logs.s3.prefix']}/AWSLogs/{ACCOUNT}/*"
    assert ACCOUNT in allowed["Condition"]["ArnLike"]["aws:SourceArn"]


def test_every_bucket_of_every_template_is_private_encrypted_and_refuses_anything_but_tls() -> None:
    for path in templates():
        resources = decoded(path)["Resources"]
        policies = [it["Properties"] for it in resources.values() if it["Type"] == "AWS::S3::BucketPolicy"]
        for name, bucket in buckets(resources).items():
            assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}, f"{path.name}: {name}"
            [encryption] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
            assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}, f"{path.name}: {name}"
            [policy] = [it["PolicyDocument"] for it in policies if it["Bucket"] == {"Ref": name}]
            [denied] = [it for it in policy["Statement"] if it["Effect"] == "Deny"]
            assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            assert (denied["Principal"], denied["Action"], len(denied["Resource"])) == ("*", "s3:*", 2)
