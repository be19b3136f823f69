"""What a deployment leaves, on moto, made as template.yaml makes it; and a record of what AWS is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from podium.connection import Connection
from podium.removal.retained import Retained, retained_by_template
from podium.removal.stacks import Resource

ACCOUNT = "123456789012"  # moto's
GROUP = "gpu-hosts"
Json = Any


@pytest.fixture
def photos(aws_session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """The connection of a stack `photos` that was never deployed."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        boto3.DEFAULT_SESSION = aws_session  # moto forgets it
        connection = Connection("photos")
        connection.session = aws_session
        yield connection


@pytest.fixture
def gpus(photos: Connection) -> list[Resource]:
    """A cluster with a service of one task that its scaling keeps, and a group of two machines that are protected."""
    ecs, groups = photos.session.client("ecs"), photos.session.client("autoscaling")
    ec2, scaling = photos.session.client("ec2"), photos.session.client("application-autoscaling")
    ecs.create_cluster(clusterName="gpus")
    ecs.register_task_definition(family="server", containerDefinitions=[{"name": "server", "image": "x", "memory": 1}])
    service = ecs.create_service(cluster="gpus", serviceName="server", taskDefinition="server", desiredCount=1)
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    groups.create_launch_configuration(
        LaunchConfigurationName="hosts", ImageId="ami-12c6146b", InstanceType="g6.xlarge"
    )
    groups.create_auto_scaling_group(
        AutoScalingGroupName=GROUP, LaunchConfigurationName="hosts", MinSize=0, MaxSize=4, DesiredCapacity=2,
        VPCZoneIdentifier=subnet, NewInstancesProtectedFromScaleIn=True,
    )  # fmt: skip
    scaling.register_scalable_target(
        ServiceNamespace="ecs", ResourceId="service/gpus/server", ScalableDimension="ecs:service:DesiredCount",
        MinCapacity=0, MaxCapacity=2,
    )  # fmt: skip
    return [
        Resource("Cluster", "AWS::ECS::Cluster", "gpus"),
        Resource("Service", "AWS::ECS::Service", service["service"]["serviceArn"]),
        Resource("Hosts", "AWS::AutoScaling::AutoScalingGroup", GROUP),
        Resource(
            "Scaling", "AWS::ApplicationAutoScaling::ScalableTarget", "service/gpus/server|ecs:service:DesiredCount|ecs"
        ),
    ]


def machines(connection: Connection) -> list[Json]:
    group = connection.session.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])
    found: list[Json] = group["AutoScalingGroups"][0]["Instances"]
    return found


def retained() -> list[Retained]:
    return retained_by_template("photos", ACCOUNT, "us-east-1", "aws")


def make(connection: Connection, it: Retained) -> None:
    """The resource, as CloudFormation left it."""
    match it.kind:
        case "AWS::S3::Bucket":
            connection.s3.create_bucket(Bucket=it.name)
            connection.s3.put_bucket_versioning(Bucket=it.name, VersioningConfiguration={"Status": "Enabled"})
        case "AWS::SQS::Queue":
            connection.sqs.create_queue(QueueName=it.name)
        case _:
            properties = it.definition["Properties"]
            key = [part["AttributeName"] for part in properties["KeySchema"]]
            connection.dynamodb_client.create_table(
                TableName=it.name, BillingMode="PAY_PER_REQUEST", KeySchema=properties["KeySchema"],
                AttributeDefinitions=[one for one in properties["AttributeDefinitions"] if one["AttributeName"] in key],
            )  # fmt: skip


DESCRIBED = {"StackName": "photos", "StackId": "arn:photos", "CreationTime": "2026-01-01"}


@pytest.fixture
def stubbed(photos: Connection) -> Iterator[Stubber]:
    """CloudFormation as the responses of a test say; moto's needs packages that nothing else here does."""
    cloudformation = boto3.client("cloudformation", region_name="us-east-1")
    cast(Any, photos).cloudformation = cloudformation
    with Stubber(cloudformation) as stub:
        yield stub
    stub.assert_no_pending_responses()


def stack(name: str, status: str = "CREATE_COMPLETE", description: str = "Podium: ...", **parameters: str) -> Any:  # noqa: ANN401
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    return {**DESCRIBED, "StackName": name, "StackStatus": status, "Description": description, "Parameters": given}


@contextmanager
def asked(session: boto3.Session, *operations: str) -> Iterator[list[Json]]:
    """The parameters of every request of these operations, in their order, with the operation's name first."""
    found: list[Json] = []

    def hook(model: Json, params: Json, **_: object) -> None:
        if model.name in operations:
            found.append((model.name, params["body"]))

    session.events.register("before-call", hook)
    try:
        yield found
    finally:
        session.events.unregister("before-call", hook)


def nothing(_: object) -> None:
    """Note nothing, sleep not at all."""


Note = Callable[[str], None]
