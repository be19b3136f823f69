"""The AWS account, for the GPU path: quotas of vCPUs, service-linked roles, and zones that have the machines."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from podium.doctor.asked import as_far_as_allowed
from podium.doctor.finding import Finding

if TYPE_CHECKING:
    import boto3

MACHINES = ("g6.xlarge", "g6e.xlarge")  # gpu-stack.yaml's GpuFamily g6
OTHERS = ("g5.xlarge", "g5.2xlarge")  # its g5
VCPUS = 4  # of each; of a g5.2xlarge 8
# Service Quotas' codes of EC2. The first is 0 in a new account, and so is often the second.
QUOTAS = {
    "All G and VT Spot Instance Requests": "L-3819A6DF",
    "Running On-Demand G and VT instances": "L-DB2E81BA",
}
ROLES = {
    "AWSServiceRoleForECS": "ecs.amazonaws.com",
    "AWSServiceRoleForAutoScaling": "autoscaling.amazonaws.com",
    "AWSServiceRoleForElasticLoadBalancing": "elasticloadbalancing.amazonaws.com",
    "AWSServiceRoleForEC2Spot": "spot.amazonaws.com",
    "AWSServiceRoleForApplicationAutoScaling_ECSService": "ecs.application-autoscaling.amazonaws.com",
}
ZONES = 2  # the load balancer wants subnets in two


def look_at_gpu_path(session: boto3.Session, max_tasks: int, subnets: Sequence[str]) -> Iterator[Finding]:
    """Everything that gpu-stack.yaml needs and cannot make."""
    quotas = (quota_finding(name, code, _quota(session, code), max_tasks) for name, code in QUOTAS.items())
    roles = (role_finding(role, service, there=_has_role(session, role)) for role, service in ROLES.items())
    for subject, findings in {"quotas": quotas, "roles": roles, "zones": _look_at_zones(session, subnets)}.items():
        yield from as_far_as_allowed("gpu", subject, findings)


def _look_at_zones(session: boto3.Session, subnets: Sequence[str]) -> Iterator[Finding]:
    offering = _zones_with(session, MACHINES)
    if subnets:
        yield subnets_finding(_zones_of(session, subnets), offering)
    else:
        others = _zones_with(session, OTHERS) if len(offering) < ZONES else set()
        yield zones_finding(_first_zones(session), offering, others)


def quota_finding(name: str, code: str, vcpus: float, max_tasks: int) -> Finding:
    """A quota counts vCPUs, not machines."""
    needed = max_tasks * VCPUS
    why = f"MaxTasks {max_tasks} is {max_tasks} machines of at least {VCPUS} vCPUs: {needed}; twice that lets a new version start beside the old one"
    mend = f"aws service-quotas request-service-quota-increase --service-code ec2 --quota-code {code} --desired-value {2 * needed}"
    return Finding("gpu", f"quota '{name}'", f"{vcpus:g} vCPUs", why, None if vcpus >= needed else mend)


def role_finding(role: str, service: str, *, there: bool) -> Finding:
    """A role that AWS's own service uses; the first stack of an account fails if it comes too late."""
    found = "is there" if there else "is not there yet"
    mend = f"aws iam create-service-linked-role --aws-service-name {service}"
    return Finding("gpu", f"role {role}", found, f"{service} works with it", None if there else mend)


def subnets_finding(zones: dict[str, str], offering: Collection[str]) -> Finding:
    """`zones`: of each subnet that was named."""
    without = sorted(f"{subnet} ({zone})" for subnet, zone in zones.items() if zone not in offering)
    why = f"one of {' and '.join(MACHINES)} must be sold in the zone of every subnet"
    if len(set(zones.values())) < ZONES:
        found = f"{len(zones)} in {len(set(zones.values()))} zones"
        return Finding("gpu", "subnets", found, "the load balancer wants two zones", "name subnets in two zones")
    found = f"no such machine in {', '.join(without)}" if without else "each has machines in its zone"
    mend = f"take subnets in two of {', '.join(sorted(offering)) or 'another Region'}" if without else None
    return Finding("gpu", "subnets", found, why, mend)


def zones_finding(first: Sequence[str], offering: Collection[str], others: Collection[str] = ()) -> Finding:
    """`first`: the zones that network.yaml takes if none are named; `others`: those with machines of the other family."""
    why = f"network.yaml takes {' and '.join(first)} if none are named"
    if len(offering) < ZONES:
        found = f"{' and '.join(MACHINES)} are sold in {len(offering)} zones of this Region"
        zones = ",".join(sorted(others)[:ZONES])
        other = f"deploy network.yaml with Zones={zones} and gpu-stack.yaml with GpuFamily=g5, whose machines these zones have"
        return Finding(
            "gpu", "zones", found, why, other if len(others) >= ZONES else "take another Region (AWS_REGION)"
        )
    found = f"{' or '.join(MACHINES)} in {', '.join(sorted(offering))}"
    mend = (
        None if set(first) <= set(offering) else f"deploy network.yaml with Zones={','.join(sorted(offering)[:ZONES])}"
    )
    return Finding("gpu", "zones", found, why, mend)


def _quota(session: boto3.Session, code: str) -> float:
    """In vCPUs; AWS's own default if the account has never had another."""
    client = session.client("service-quotas")
    try:
        return float(client.get_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"]["Value"])
    except client.exceptions.NoSuchResourceException:
        return float(client.get_aws_default_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"]["Value"])


def _has_role(session: boto3.Session, role: str) -> bool:
    client = session.client("iam")
    try:
        client.get_role(RoleName=role)
    except client.exceptions.NoSuchEntityException:
        return False
    return True


def _zones_with(session: boto3.Session, machines: Sequence[str]) -> set[str]:
    pages = session.client("ec2").get_paginator("describe_instance_type_offerings").paginate(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": list(machines)}]
    )  # fmt: skip
    return {offer["Location"] for page in pages for offer in page["InstanceTypeOfferings"]}


def _zones_of(session: boto3.Session, subnets: Sequence[str]) -> dict[str, str]:
    found = session.client("ec2").describe_subnets(SubnetIds=list(subnets))["Subnets"]
    return {subnet["SubnetId"]: subnet["AvailabilityZone"] for subnet in found}


def _first_zones(session: boto3.Session) -> list[str]:
    """As CloudFormation's Fn::GetAZs lists them."""
    zones = session.client("ec2").describe_availability_zones(
        Filters=[{"Name": "zone-type", "Values": ["availability-zone"]}]
    )["AvailabilityZones"]
    return sorted(zone["ZoneName"] for zone in zones)[:ZONES]
