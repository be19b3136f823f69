"""Every resource that can be tagged is: by the tags of its stack, which each way to deploy gives."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER, ResourceNotFoundError

from tests.gates.templates import REGION, ROOT, Json, templates, translated

TAG = "project=podium"
# CloudFormation can tag none of these, by their own schemas: they are parts of what is tagged, or cost nothing and hold nothing.
UNTAGGED = {
    "AWS::ApplicationAutoScaling::ScalingPolicy": "of the scalable target",
    "AWS::EC2::LaunchTemplate": "tags what it starts",
    "AWS::EC2::Route": "of the route table",
    "AWS::EC2::SecurityGroupEgress": "of the group",
    "AWS::EC2::SecurityGroupIngress": "of the group",
    "AWS::EC2::SubnetRouteTableAssociation": "of the route table",
    "AWS::EC2::VPCGatewayAttachment": "of the gateway",
    "AWS::ECS::ClusterCapacityProviderAssociations": "of the cluster",
    "AWS::IAM::InstanceProfile": "of the role",
    "AWS::IAM::RolePolicy": "of the role",
    "AWS::Lambda::LayerVersion": "of the function",
    "AWS::Lambda::Permission": "of the function",
    "AWS::Route53::RecordSet": "of the zone",
    "AWS::S3::BucketPolicy": "of the bucket",
    "AWS::SNS::Subscription": "of the topic",
    "AWS::SNS::TopicPolicy": "of the topic",
    "AWS::SQS::QueuePolicy": "of the queue",
}


@pytest.mark.parametrize("path", templates(), ids=lambda path: path.name)
def test_every_resource_takes_the_tags_of_its_stack_when_it_is_made(path: Path) -> None:
    for name, resource in translated(path)["Resources"].items():
        if resource["Type"] not in UNTAGGED:
            tagging = _tagging(resource["Type"])
            assert tagging.get("taggable") is True, f"{name}: {resource['Type']} takes no tags"
            assert tagging.get("tagOnCreate") is True, f"{name}: {resource['Type']} is made without its tags"


@pytest.mark.parametrize("kind", UNTAGGED)
def test_what_is_let_be_untagged_cannot_be_tagged(kind: str) -> None:
    assert _tagging(kind).get("taggable", False) is False


def _tagging(kind: str) -> Json:
    try:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
    except ResourceNotFoundError:
        return {}
    tagging: Json = schema.get("tagging", {})
    return tagging


@pytest.mark.parametrize("path", templates(), ids=lambda path: path.name)
def test_what_a_resource_starts_later_is_tagged_too(path: Path) -> None:
    """Machines, volumes and tasks are no resources of the stack."""
    for name, resource in translated(path)["Resources"].items():
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::AutoScaling::AutoScalingGroup":
                passed_on = [f"{tag['Key']}={tag['Value']}" for tag in properties["Tags"] if tag["PropagateAtLaunch"]]
                assert TAG in passed_on, name
            case "AWS::EC2::LaunchTemplate":
                tagged = {it["ResourceType"] for it in properties["LaunchTemplateData"]["TagSpecifications"]}
                assert "volume" in tagged, name
            case "AWS::ECS::Service":
                assert properties.get("PropagateTags") in {"SERVICE", "TASK_DEFINITION"}, name
            case "AWS::Batch::JobDefinition":
                assert properties.get("PropagateTags") is True, name


def test_sam_deploy_guided_or_not_gives_the_tags() -> None:
    """`podium deploy` to AWS runs `sam deploy`, too, with this file."""
    deploy = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]["deploy"]["parameters"]
    assert deploy["tags"] == TAG


def test_every_documented_deployment_by_the_aws_cli_gives_the_tags() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    commands = [
        it
        for page in pages
        for it in re.findall(
            r"^aws cloudformation (?:deploy|create-stack)\b.*?(?<!\\)$", page.read_text(), re.MULTILINE | re.DOTALL
        )
    ]
    assert commands
    for command in commands:
        assert f"--tags {TAG}" in command or "--tags Key=project,Value=podium" in command, command
