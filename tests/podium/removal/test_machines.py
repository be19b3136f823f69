"""The GPUs' machines end before their stack is deleted: CloudFormation would hang on them."""

from __future__ import annotations

import pytest

from podium.connection import Connection
from podium.errors import ConsoleError
from podium.removal.machines import LOOKS, bring_to_none
from podium.removal.stacks import Resource
from tests.podium.removal.conftest import GROUP, asked, machines, nothing


def test_first_no_scaling_then_no_task_then_no_protection_then_no_machine(
    photos: Connection, gpus: list[Resource]
) -> None:
    assert [it["ProtectedFromScaleIn"] for it in machines(photos)] == [True, True]
    steps = ("RegisterScalableTarget", "UpdateService", "SetInstanceProtection", "UpdateAutoScalingGroup")
    with asked(photos.session, *steps) as requests:
        bring_to_none(photos, gpus, nothing, sleep=nothing)
    assert [name for name, _ in requests] == [*steps[:2], "UpdateAutoScalingGroup", *steps[2:]]
    assert machines(photos) == []
    target = photos.session.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")
    assert all(target["ScalableTargets"][0]["SuspendedState"].values()), "else it starts a task again, as images wait"
    service = photos.session.client("ecs").describe_services(cluster="gpus", services=["server"])["services"][0]
    assert service["desiredCount"] == 0


def test_a_second_time_and_when_half_of_it_is_gone_it_goes_on(photos: Connection, gpus: list[Resource]) -> None:
    bring_to_none(photos, gpus, nothing, sleep=nothing)
    bring_to_none(photos, gpus, nothing, sleep=nothing)
    photos.session.client("application-autoscaling").deregister_scalable_target(
        ServiceNamespace="ecs", ResourceId="service/gpus/server", ScalableDimension="ecs:service:DesiredCount"
    )
    photos.session.client("ecs").delete_service(cluster="gpus", service="server")
    photos.session.client("autoscaling").delete_auto_scaling_group(AutoScalingGroupName=GROUP)
    photos.session.client("ecs").delete_cluster(cluster="gpus")
    bring_to_none(photos, gpus, nothing, sleep=nothing)


def test_machines_that_stay_registered_end_the_command_before_the_stack_is_deleted(
    photos: Connection, gpus: list[Resource]
) -> None:
    ec2, ecs = photos.session.client("ec2"), photos.session.client("ecs")
    [machine] = ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)["Instances"]
    ecs.register_container_instance(
        cluster="gpus", instanceIdentityDocument=f'{{"instanceId": "{machine["InstanceId"]}", "region": "us-east-1"}}'
    )
    notes: list[str] = []
    with pytest.raises(ConsoleError, match="1 machines are registered after 20 minutes, so the stack was not deleted"):
        bring_to_none(photos, gpus, notes.append, sleep=nothing)
    assert notes.count("1 machines are registered still") == LOOKS
