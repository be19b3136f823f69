"""The plan of template.yaml has what CloudFormation would make, in either shape; changes are seen without AWS."""

from __future__ import annotations

from dataclasses import replace

from podium.planned.changes import changes
from podium.planned.resources import Place, Resource, planned
from podium.project import ROOT

PLACE = Place("photos", "eu-west-1", "123456789012")
TEMPLATE = ROOT / "template.yaml"
SERVER = {"ModelServerUrl": "https://models.internal", "SubnetIds": "subnet-1,subnet-2", "SecurityGroupIds": "sg-1"}


def by_name(resources: list[Resource]) -> dict[str, Resource]:
    return {it.logical: it for it in resources}


def test_resources_have_the_names_that_they_would_have_in_aws() -> None:
    found = by_name(planned(TEMPLATE, PLACE, {}))
    assert found["InputBucket"].name == "photos-input-123456789012-eu-west-1"
    assert found["ImagesQueue"].name == "photos-images"
    assert found["ClassifyFunction"].kind == "AWS::Lambda::Function"
    assert found["ClassifyRole"].name is None, "AWS makes this name"


def test_what_stays_when_the_stack_is_deleted_is_marked() -> None:
    found = by_name(planned(TEMPLATE, PLACE, {}))
    assert found["InputBucket"].kept
    assert not found["ImagesQueue"].kept


def test_the_gate_is_made_with_a_server_and_the_layer_without_one() -> None:
    here, there = by_name(planned(TEMPLATE, PLACE, {})), by_name(planned(TEMPLATE, PLACE, SERVER))
    assert {"GateFunction", "ServerDownAlarm"} <= there.keys()
    assert not {"GateFunction", "ServerDownAlarm"} & here.keys()
    assert any(it.kind == "AWS::Lambda::LayerVersion" for it in here.values())
    assert not any(it.kind == "AWS::Lambda::LayerVersion" for it in there.values())


def test_a_functions_properties_follow_the_shape() -> None:
    here, there = by_name(planned(TEMPLATE, PLACE, {})), by_name(planned(TEMPLATE, PLACE, SERVER))
    assert here["ClassifyFunction"].properties["MemorySize"] > there["ClassifyFunction"].properties["MemorySize"]
    assert there["ClassifyFunction"].properties["VpcConfig"]["SubnetIds"] == ["subnet-1", "subnet-2"]
    assert "VpcConfig" not in here["ClassifyFunction"].properties


def test_the_templates_of_the_server_are_read_too() -> None:
    found = by_name(planned(ROOT / "model_server" / "gpu-stack.yaml", PLACE, {}))
    assert found["Balancer"].kind == "AWS::ElasticLoadBalancingV2::LoadBalancer"


def test_the_same_deployment_again_changes_nothing_but_code() -> None:
    again = [
        replace(it, properties={**it.properties, "Code": {"S3Key": "another"}}) if "Code" in it.properties else it
        for it in planned(TEMPLATE, PLACE, SERVER)
    ]
    assert {it.change for it in changes(planned(TEMPLATE, PLACE, SERVER), again)} == {"same"}


def test_a_layer_is_the_same_layer_when_its_content_is_another() -> None:
    before = Resource(
        "EngineLayer4b1bf83269", "AWS::Lambda::LayerVersion", {"LayerName": "a", "Content": {"S3Key": "x"}}
    )
    after = replace(before, logical="EngineLayer0123456789", properties={"LayerName": "a", "Content": {"S3Key": "y"}})
    assert [it.change for it in changes([after], [before])] == ["same"]


def test_what_a_server_changes_is_listed_by_property() -> None:
    found = {it.resource.logical: it for it in changes(planned(TEMPLATE, PLACE, SERVER), planned(TEMPLATE, PLACE, {}))}
    assert found["GateFunction"].change == "made"
    assert found["ImagesQueue"].change == "same"
    assert found["ClassifyFunction"].change == "changed"
    assert {"MemorySize", "VpcConfig", "Layers"} <= set(found["ClassifyFunction"].properties)
    assert any(it.change == "deleted" and it.resource.kind == "AWS::Lambda::LayerVersion" for it in found.values())


def test_a_number_and_its_text_are_no_change() -> None:
    before, after = Resource("Q", "AWS::SQS::Queue", {"D": "5"}), Resource("Q", "AWS::SQS::Queue", {"D": 5})
    assert [it.change for it in changes([after], [before])] == ["same"]
