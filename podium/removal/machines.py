"""The machines of a stack of ECS services: brought to none before the stack is deleted, which would else hang or fail.

CloudFormation cannot delete a capacity provider whose machines are registered, nor an auto-scaling group whose machines are
protected from scale-in: https://github.com/aws/aws-cdk/issues/18179, https://github.com/aws/aws-cdk/issues/36071,
https://github.com/aws/containers-roadmap/issues/2862

scaling suspended -> services at none -> no task runs -> groups at none, unprotected -> no machine is left or registered
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import batched
from typing import Any

from podium.connection import Connection
from podium.errors import ConsoleError
from podium.removal.stacks import Resource

OnNote = Callable[[str], None]
Sleep = Callable[[float], None]
Client = Any  # these three services have no types here
LOOK_EVERY_S = 10.0
LOOKS = 120  # twenty minutes: a task drains for two, a machine ends in five
PROTECTED_AT_ONCE = 50  # machines in one request
SUSPENDED = {
    "DynamicScalingInSuspended": True,
    "DynamicScalingOutSuspended": True,
    "ScheduledScalingSuspended": True,
}


def bring_to_none(
    connection: Connection, resources: Sequence[Resource], note: OnNote, *, sleep: Sleep = time.sleep
) -> None:
    """No task and no machine of these resources is left; ConsoleError if some do not end in time."""
    ecs: Client = connection.session.client("ecs", **connection.options)
    groups: Client = connection.session.client("autoscaling", **connection.options)
    ids = {kind: [it.physical_id for it in resources if it.kind == kind] for kind in {it.kind for it in resources}}
    services = ids.get("AWS::ECS::Service", [])
    clusters = ids.get("AWS::ECS::Cluster", [])
    asgs = ids.get("AWS::AutoScaling::AutoScalingGroup", [])
    _suspend_scaling(connection, ids.get("AWS::ApplicationAutoScaling::ScalableTarget", []))
    for service in services:
        _stop_service(ecs, service)
    _wait("tasks run", lambda: sum(_tasks(ecs, services)), note, sleep)
    for group in asgs:
        _let_go(groups, group)
    _wait("machines run", lambda: sum(len(_machines(groups, group)) for group in asgs), note, sleep)
    _wait("machines are registered", lambda: sum(_registered(ecs, cluster) for cluster in clusters), note, sleep)


def _suspend_scaling(connection: Connection, targets: Sequence[str]) -> None:
    """Else it starts a task again while images wait. A target's id is RESOURCE|DIMENSION|NAMESPACE."""
    scaling: Client = connection.session.client("application-autoscaling", **connection.options)
    for target in targets:
        resource, dimension, namespace = target.split("|")
        known = {"ServiceNamespace": namespace, "ResourceIds": [resource], "ScalableDimension": dimension}
        if not scaling.describe_scalable_targets(**known)["ScalableTargets"]:
            continue  # from a first try
        scaling.register_scalable_target(
            ServiceNamespace=namespace, ResourceId=resource, ScalableDimension=dimension, MinCapacity=0,
            SuspendedState=SUSPENDED,
        )  # fmt: skip


def _stop_service(ecs: Client, service: str) -> None:
    """The ARN is arn:...:service/CLUSTER/NAME."""
    try:
        ecs.update_service(cluster=_cluster_of(service), service=service, desiredCount=0)
    except (ecs.exceptions.ServiceNotFoundException, ecs.exceptions.ServiceNotActiveException):
        return  # from a first try
    except ecs.exceptions.ClusterNotFoundException:
        return


def _tasks(ecs: Client, services: Sequence[str]) -> Iterator[int]:
    for service in services:
        try:
            found = ecs.describe_services(cluster=_cluster_of(service), services=[service])["services"]
        except ecs.exceptions.ClusterNotFoundException:
            continue
        yield sum(it["runningCount"] + it["pendingCount"] for it in found)


def _cluster_of(service: str) -> str:
    return service.split("/")[-2]


def _let_go(groups: Client, group: str) -> None:
    """No machine is protected, none is started any more, and those that are there end."""
    if not _described(groups, group):
        return
    groups.update_auto_scaling_group(AutoScalingGroupName=group, NewInstancesProtectedFromScaleIn=False)
    protected = [it["InstanceId"] for it in _machines(groups, group) if it["ProtectedFromScaleIn"]]
    for some in batched(protected, PROTECTED_AT_ONCE, strict=False):
        groups.set_instance_protection(AutoScalingGroupName=group, InstanceIds=list(some), ProtectedFromScaleIn=False)
    groups.update_auto_scaling_group(AutoScalingGroupName=group, MinSize=0, MaxSize=0, DesiredCapacity=0)


def _described(groups: Client, group: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = groups.describe_auto_scaling_groups(AutoScalingGroupNames=[group])[
        "AutoScalingGroups"
    ]
    return found


def _machines(groups: Client, group: str) -> list[dict[str, Any]]:
    return [machine for it in _described(groups, group) for machine in it["Instances"]]


def _registered(ecs: Client, cluster: str) -> int:
    try:
        pages = list(ecs.get_paginator("list_container_instances").paginate(cluster=cluster))
    except ecs.exceptions.ClusterNotFoundException:
        return 0
    return sum(len(page["containerInstanceArns"]) for page in pages)


def _wait(what: str, count: Callable[[], int], note: OnNote, sleep: Sleep) -> None:
    for _ in range(LOOKS):
        if (left := count()) == 0:
            return
        note(f"{left} {what} still")
        sleep(LOOK_EVERY_S)
    raise ConsoleError(
        f"{left} {what} after {LOOKS * LOOK_EVERY_S / 60:.0f} minutes, so the stack was not deleted: CloudFormation would "
        "hang on them. Look at them in the ECS console; do it again, and it goes on."
    )
