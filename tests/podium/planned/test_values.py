"""CloudFormation's functions are computed with the parameters that a person gives."""

from __future__ import annotations

from typing import Any

import pytest

from podium.planned.values import ABSENT, Values

VALUES = Values(
    {"Url": "", "Servers": "2", "Subnets": ["a", "b"], "AWS::Region": "eu-west-1"},
    mappings={"Most": {"2": {"AtOnce": 8}}},
    conditions={"Here": {"Fn::Equals": [{"Ref": "Url"}, ""]}, "There": {"Fn::Not": [{"Condition": "Here"}]}},
)


@pytest.mark.parametrize(
    ("value", "computed"),
    [
        ({"Ref": "Servers"}, "2"),
        ({"Ref": "Queue"}, "<Queue>"),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, "<Queue.Arn>"),
        ({"Fn::If": ["Here", 1, 2]}, 1),
        ({"Fn::If": ["There", 1, 2]}, 2),
        ({"Fn::And": [{"Condition": "Here"}, {"Condition": "There"}]}, False),
        ({"Fn::Or": [{"Condition": "Here"}, {"Condition": "There"}]}, True),
        ({"Fn::Join": [",", {"Ref": "Subnets"}]}, "a,b"),
        ({"Fn::FindInMap": ["Most", {"Ref": "Servers"}, "AtOnce"]}, 8),
        ({"Fn::Sub": "in ${AWS::Region}: ${Queue.Arn}, ${!kept}"}, "in eu-west-1: <Queue.Arn>, ${kept}"),
        ({"Fn::Sub": ["${Mine}/${Servers}", {"Mine": {"Ref": "Servers"}}]}, "2/2"),
        ({"Fn::Base64": "text"}, "dGV4dA=="),
        ({"Fn::ImportValue": "x"}, "<ImportValue>"),
        ({"a": {"Ref": "AWS::NoValue"}, "b": [{"Ref": "AWS::NoValue"}, 1]}, {"b": [1]}),
        ({"Condition": {"StringEquals": {"x": "y"}}}, {"Condition": {"StringEquals": {"x": "y"}}}),
    ],
)  # fmt: skip
def test_a_function_gives_its_value(value: Any, computed: Any) -> None:  # noqa: ANN401
    assert VALUES.of(value) == computed


def test_no_value_alone_is_absent() -> None:
    assert VALUES.of({"Fn::If": ["There", 1, {"Ref": "AWS::NoValue"}]}) is ABSENT
