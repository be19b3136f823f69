"""What `podium doctor --aws` says of an account for the GPU path: a new one lacks nearly all of it."""

from __future__ import annotations

from collections.abc import Callable

import boto3

from podium.doctor.gpu import QUOTAS, ROLES, look_at_gpu_path, quota_finding, subnets_finding, zones_finding
from tests.podium.doctor.conftest import Answers

SessionWith = Callable[[Answers], boto3.Session]


def quota(vcpus: float) -> Answers:
    return {"service-quotas.GetServiceQuota": {"Quota": {"Value": vcpus}}}


def test_a_new_account_lacks_quotas_and_roles_and_is_told_each_command(session_with: SessionWith) -> None:
    findings = {one.subject: one for one in look_at_gpu_path(session_with(quota(0)), 2, [])}
    for name, code in QUOTAS.items():
        assert findings[f"quota '{name}'"].mend == (
            f"aws service-quotas request-service-quota-increase --service-code ec2 --quota-code {code} --desired-value 16"
        )
    for role, service in ROLES.items():
        mend = f"aws iam create-service-linked-role --aws-service-name {service}"
        assert findings[f"role {role}"].mend == mend
    assert findings["zones"].is_well


def test_an_account_that_has_it_all_is_well(session_with: SessionWith) -> None:
    session = session_with(quota(8))
    for role in ROLES:  # by name: moto calls service-linked roles otherwise than AWS
        session.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument="{}")
    assert [one.subject for one in look_at_gpu_path(session, 2, []) if not one.is_well] == []


def test_what_aws_forbids_is_a_finding_and_the_rest_is_asked_all_the_same(session_with: SessionWith) -> None:
    forbidden = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}, "ResponseMetadata": {}}
    findings = list(look_at_gpu_path(session_with({"service-quotas.GetServiceQuota": forbidden}), 2, []))
    assert [one.subject for one in findings] == ["quotas", *(f"role {role}" for role in ROLES), "zones"]
    assert findings[0].mend == "AWS forbids GetServiceQuota: not authorized"


def test_an_unknown_subnet_is_a_finding(session_with: SessionWith) -> None:
    *_, finding = look_at_gpu_path(session_with(quota(8)), 2, ["subnet-00000000"])
    assert (finding.subject, finding.is_well) == ("zones", False)
    assert "subnet-00000000" in str(finding.mend)


def test_a_quota_is_of_vcpus_and_as_large_as_the_tasks_at_full_load() -> None:
    assert not quota_finding("Spot", "L-1", 7, 2).is_well
    assert quota_finding("Spot", "L-1", 8, 2).is_well
    assert not quota_finding("Spot", "L-1", 8, 4).is_well


def test_a_subnet_in_a_zone_without_the_machines_is_named(session_with: SessionWith) -> None:
    session = session_with(quota(0))
    ec2 = session.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    zones = {"a": "10.0.0.0/24", "e": "10.0.1.0/24"}
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=f"us-east-1{zone}")["Subnet"]["SubnetId"]
        for zone, block in zones.items()
    ]
    [finding] = [one for one in look_at_gpu_path(session, 2, subnets) if one.subject == "subnets"]
    assert finding.found == f"no such machine in {subnets[1]} (us-east-1e)"
    assert finding.mend == "take subnets in two of us-east-1a, us-east-1b, us-east-1c, us-east-1d, us-east-1f"


def test_two_subnets_in_one_zone_do_not_make_a_load_balancer() -> None:
    finding = subnets_finding({"subnet-1": "a", "subnet-2": "a"}, {"a", "b"})
    assert (finding.found, finding.mend) == ("2 in 1 zones", "name subnets in two zones")


def test_zones_are_named_where_the_regions_first_two_lack_the_machines() -> None:
    assert zones_finding(["a", "b"], {"a", "b", "c"}).is_well
    assert zones_finding(["a", "b"], {"b", "c"}).mend == "deploy network.yaml with Zones=b,c"
    assert zones_finding(["a", "b"], {"c"}, {"d"}).mend == "take another Region (AWS_REGION)"
    other = zones_finding(["a", "b"], {"c"}, {"b", "d"})
    assert "Zones=b,d and gpu-stack.yaml with GpuFamily=g5" in str(other.mend)
