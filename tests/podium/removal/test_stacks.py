"""CloudFormation's stacks: which belong together, and how one goes."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.stub import Stubber

from podium.connection import Connection
from podium.errors import ConsoleError
from podium.project import ROOT
from podium.removal.adopt import template_of
from podium.removal.destroy import find_deployment
from podium.removal.stacks import CORE, NETWORK, OURS, Resource, delete_stack, networks, resources_of, stacks_beside
from podium.removal.template import read_template
from tests.podium.removal.conftest import DESCRIBED, make, nothing, retained, stack

BESIDE = ("model_server/gpu-stack.yaml", "bulk/bulk-stack.yaml")


def test_a_stack_is_deleted_once_and_waited_for(photos: Connection, stubbed: Stubber) -> None:
    stubbed.add_response("describe_stacks", {"Stacks": [stack("photos")]}, {"StackName": "photos"})
    stubbed.add_response("delete_stack", {}, {"StackName": "photos"})
    stubbed.add_response(
        "describe_stacks", {"Stacks": [stack("photos", "DELETE_IN_PROGRESS")]}, {"StackName": "arn:photos"}
    )
    stubbed.add_response("list_stack_resources", {"StackResourceSummaries": []})
    stubbed.add_response(
        "describe_stacks", {"Stacks": [stack("photos", "DELETE_COMPLETE")]}, {"StackName": "arn:photos"}
    )
    delete_stack(photos, "photos", nothing, sleep=nothing)


def test_where_there_is_no_stack_any_more_there_is_nothing_to_do(photos: Connection, stubbed: Stubber) -> None:
    stubbed.add_client_error("describe_stacks", "ValidationError", "Stack with id photos does not exist")
    delete_stack(photos, "photos", nothing, sleep=nothing)


def test_stacks_of_this_project_that_name_this_one_stand_beside_it(photos: Connection, stubbed: Stubber) -> None:
    server = "Podium's model server on Spot GPUs"
    stacks = [
        stack("photos"),
        stack("gpus", description=server, CoreStackName="photos"),
        stack("gpus-of-another", description=server, CoreStackName="podium"),
        stack("somebody-else", description="Our billing", CoreStackName="photos"),
    ]
    stubbed.add_response("describe_stacks", {"Stacks": stacks[:2], "NextToken": "more"})
    stubbed.add_response("describe_stacks", {"Stacks": stacks[2:]})
    assert stacks_beside(photos) == ["gpus"]


def test_a_stack_of_another_template_is_never_deleted(photos: Connection, stubbed: Stubber) -> None:
    stubbed.add_response("describe_stacks", {"Stacks": [stack("photos", description="Our billing")]})
    with pytest.raises(ConsoleError, match=r"stack 'photos' is not Podium's \(Our billing\): it was not touched\."):
        find_deployment(photos)


@pytest.mark.parametrize("ours", [True, False])
def test_one_without_a_description_is_known_by_its_buckets(photos: Connection, stubbed: Stubber, ours: bool) -> None:
    for it in retained():
        make(photos, it)
    bucket = {
        "LogicalResourceId": "Bucket", "PhysicalResourceId": retained()[0].name if ours else "theirs",
        "ResourceType": "AWS::S3::Bucket", "ResourceStatus": "CREATE_COMPLETE", "LastUpdatedTimestamp": "2026-01-01",
    }  # fmt: skip
    stubbed.add_response("describe_stacks", {"Stacks": [{**DESCRIBED, "StackStatus": "CREATE_COMPLETE"}]})
    stubbed.add_response("list_stack_resources", {"StackResourceSummaries": [bucket]})
    if ours:
        stubbed.add_response("describe_stacks", {"Stacks": []})
        assert find_deployment(photos).stack == "photos"
    else:
        with pytest.raises(ConsoleError, match="it has no description"):
            find_deployment(photos)


def test_every_template_s_description_says_whose_it_is() -> None:
    for path in ("template.yaml", *BESIDE):
        assert read_template(ROOT / path)["Description"].startswith(OURS)
    assert read_template(ROOT / "model_server/network.yaml")["Description"].startswith(NETWORK)
    assert template_of([])["Description"].startswith(OURS)


@pytest.mark.parametrize("path", BESIDE)
def test_a_template_beside_names_its_core_stack_so_that_it_is_found(path: str) -> None:
    assert CORE in read_template(ROOT / path)["Parameters"]


def test_networks_are_known_by_their_description(photos: Connection, stubbed: Stubber) -> None:
    stacks = [stack("photos"), stack("my-network", description=f"{NETWORK}, for whoever has no VPC")]
    stubbed.add_response("describe_stacks", {"Stacks": stacks})
    assert networks(photos) == ["my-network"]


def test_what_is_deleted_already_is_no_resource_of_the_stack(photos: Connection, stubbed: Stubber) -> None:
    def resource(name: str, status: str) -> Any:  # noqa: ANN401
        return {
            "LogicalResourceId": name, "PhysicalResourceId": f"arn:{name}", "ResourceType": "AWS::SNS::Topic",
            "ResourceStatus": status, "LastUpdatedTimestamp": "2026-01-01",
        }  # fmt: skip

    found = [resource("A", "CREATE_COMPLETE"), resource("B", "DELETE_COMPLETE")]
    stubbed.add_response("list_stack_resources", {"StackResourceSummaries": found})
    assert resources_of(photos, "photos") == [Resource("A", "AWS::SNS::Topic", "arn:A")]


def test_what_could_not_be_deleted_is_named_with_its_reason(photos: Connection, stubbed: Stubber) -> None:
    group = {
        "LogicalResourceId": "Group", "PhysicalResourceId": "sg-1", "ResourceType": "AWS::EC2::SecurityGroup",
        "ResourceStatus": "DELETE_FAILED", "ResourceStatusReason": "sg-1 has a dependent object",
        "LastUpdatedTimestamp": "2026-01-01",
    }  # fmt: skip
    stubbed.add_response("describe_stacks", {"Stacks": [stack("photos")]})
    stubbed.add_response("delete_stack", {}, {"StackName": "photos"})
    stubbed.add_response("describe_stacks", {"Stacks": [stack("photos", "DELETE_FAILED")]})
    stubbed.add_response("list_stack_resources", {"StackResourceSummaries": [group]})
    with pytest.raises(ConsoleError, match="stack 'photos' was not deleted") as refused:
        delete_stack(photos, "photos", nothing, sleep=nothing)
    assert refused.value.below == ("Group (sg-1): sg-1 has a dependent object",)
