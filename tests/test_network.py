"""The network for who has none: what its machines and functions ask of AWS has a way, with a NAT gateway and without."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # cfn-lint's own imports warn
    from cfnlint.api import lint
    from cfnlint.decode import decode

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "model_server" / "network.yaml"
# Which endpoints a service needs, by its name in policies: ECS's agent and ECR's client have several addresses.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/vpc-endpoints.html
# https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
ENDPOINTS = {"ecs": {"ecs", "ecs-agent", "ecs-telemetry"}, "ecr": {"ecr.api", "ecr.dkr", "s3"}}
IN_THE_VPC = {
    "template.yaml": ("ClassifyRole", "GateRole"),
    "model_server/gpu-stack.yaml": ("HostRole", "TaskRole", "ExecutionRole"),
}
# The secret of a server that wants a token: that of gpu-stack.yaml wants none.
NOT_OF_THIS_PATH = {"secretsmanager"}
Json = dict[str, Any]


def resources_of(path: Path) -> dict[str, Json]:
    template, problems = decode(str(path))
    assert not problems
    return dict(template["Resources"])


@pytest.fixture(scope="module")
def resources() -> dict[str, Json]:
    return resources_of(TEMPLATE)


def allowed(roles: tuple[str, ...], resources: dict[str, Json]) -> Iterator[str]:
    """Every action that one of the roles may use."""
    for role in roles:
        for policy in resources[role]["Properties"]["Policies"]:
            for entry in policy["PolicyDocument"]["Statement"]:
                statement = entry["Fn::If"][1] if "Fn::If" in entry else entry
                actions = statement["Action"]
                yield from [actions] if isinstance(actions, str) else actions


def asked_of_aws() -> set[str]:
    """The endpoints of all that the functions and the machines in the VPC may ask for."""
    services = {
        action.partition(":")[0]
        for file, roles in IN_THE_VPC.items()
        for action in allowed(roles, resources_of(ROOT / file))
    }
    return {name for service in services - NOT_OF_THIS_PATH for name in ENDPOINTS.get(service, {service})}


def endpoints(resources: dict[str, Json], kind: str) -> dict[str, Json]:
    """The endpoints of this kind, by the service's name."""
    found = [it for it in resources.values() if it["Type"] == "AWS::EC2::VPCEndpoint"]
    return {
        it["Properties"]["ServiceName"]["Fn::Sub"].removeprefix("com.amazonaws.${AWS::Region}."): it
        for it in found
        if it["Properties"]["VpcEndpointType"] == kind
    }


def test_the_template_is_valid() -> None:
    assert lint(TEMPLATE.read_text()) == []


def test_the_functions_that_ask_the_server_are_those_in_the_vpc() -> None:
    core = resources_of(ROOT / "template.yaml")
    inside = {
        it["Properties"]["Role"]["Fn::GetAtt"][0] for it in core.values() if "VpcConfig" in it.get("Properties", {})
    }
    assert inside == set(IN_THE_VPC["template.yaml"])


def test_without_a_nat_gateway_there_is_an_endpoint_for_all_that_is_asked_and_for_nothing_else(
    resources: dict[str, Json],
) -> None:
    gateway, interface = endpoints(resources, "Gateway"), endpoints(resources, "Interface")
    assert set(gateway) == {"s3", "dynamodb"}
    assert set(gateway) | set(interface) == asked_of_aws()
    assert {it["Condition"] for it in interface.values()} == {"HasEndpoints"}
    assert not [it for it in gateway.values() if "Condition" in it]  # they cost nothing
    assert all(it["Properties"]["PrivateDnsEnabled"] is True for it in interface.values())


def test_with_one_there_is_a_way_to_the_internet_and_no_interface_endpoint(resources: dict[str, Json]) -> None:
    ways = {name: it["Condition"] for name, it in resources.items() if "Condition" in it}
    nat = {name for name, condition in ways.items() if condition == "HasNat"}
    assert {"Internet", "PublicSubnet", "NatAddress", "Nat", "ToTheNat"} <= nat
    assert set(ways.values()) == {"HasNat", "HasEndpoints"}


def test_a_private_subnet_gives_no_machine_a_public_address(resources: dict[str, Json]) -> None:
    for it in resources.values():
        if it["Type"] == "AWS::EC2::Subnet":
            assert "MapPublicIpOnLaunch" not in it["Properties"]
    public = [it["Properties"] for it in resources.values() if it["Properties"].get("GatewayId")]
    assert [it["RouteTableId"] for it in public] == [{"Ref": "PublicRoutes"}]


def test_its_outputs_are_parameters_of_the_gpu_stack() -> None:
    network, gpu = (decode(str(path))[0] for path in (TEMPLATE, ROOT / "model_server" / "gpu-stack.yaml"))
    assert set(network["Outputs"]) == {"VpcId", "PrivateSubnetIds"} <= set(gpu["Parameters"])


def test_the_smallest_block_that_is_taken_holds_all_subnets(resources: dict[str, Json]) -> None:
    [longest] = re.findall(r"\|(\d\d)\)", decode(str(TEMPLATE))[0]["Parameters"]["CidrBlock"]["AllowedPattern"])
    taken = [
        it["Properties"]["CidrBlock"]["Fn::Select"] for it in resources.values() if it["Type"] == "AWS::EC2::Subnet"
    ]
    assert sorted(number for number, _ in taken) == [0, 1, 2]
    [(_, count, bits)] = {tuple(map(str, cidr["Fn::Cidr"])) for _, cidr in taken}
    assert int(count) == len(taken) <= 2 ** (32 - int(longest) - int(bits))
