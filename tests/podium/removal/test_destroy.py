"""A deployment goes whole; and the stack of the GPUs alone, as whoever goes back to the model inside the function deletes it."""

from __future__ import annotations

from botocore.stub import Stubber

from podium.connection import Connection
from podium.removal.destroy import Deployment, destroy
from podium.removal.stacks import Resource
from tests.podium.removal.conftest import machines, nothing, stack


def test_the_stack_of_the_gpus_alone_has_no_machine_when_it_is_deleted(
    photos: Connection, gpus: list[Resource], stubbed: Stubber
) -> None:
    summaries = [
        {
            "LogicalResourceId": it.logical_id, "ResourceType": it.kind, "PhysicalResourceId": it.physical_id,
            "ResourceStatus": "CREATE_COMPLETE", "LastUpdatedTimestamp": "2026-01-01",
        }
        for it in gpus
    ]  # fmt: skip
    stubbed.add_response("list_stack_resources", {"StackResourceSummaries": summaries})
    stubbed.add_response("describe_stacks", {"Stacks": [stack("photos")]}, {"StackName": "photos"})
    stubbed.add_response("delete_stack", {}, {"StackName": "photos"})
    stubbed.add_response("describe_stacks", {"Stacks": [stack("photos", "DELETE_COMPLETE")]})
    destroy(photos, Deployment("photos", [], []), nothing, data=False, sleep=nothing)
    assert machines(photos) == []
