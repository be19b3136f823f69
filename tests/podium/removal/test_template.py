"""template.yaml in CloudFormation's long form."""

from __future__ import annotations

from pathlib import Path

import pytest

from podium.removal.template import named, needs_others, read_template

PSEUDO = {"AWS::StackName": "photos", "AWS::AccountId": "210987654321", "AWS::Region": "eu-west-1"}


def test_short_forms_are_the_functions_that_they_stand_for(tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(
        "a: !Ref Queue\nb: !GetAtt Queue.Arn\nc: !Sub '${AWS::StackName}-x'\nd: !If [Has, !Ref A, 1]\n"
        "e: !Not [!Condition Has]\nf: !Transform {Name: X}\n"
    )
    assert read_template(path) == {
        "a": {"Ref": "Queue"},
        "b": {"Fn::GetAtt": ["Queue", "Arn"]},
        "c": {"Fn::Sub": "${AWS::StackName}-x"},
        "d": {"Fn::If": ["Has", {"Ref": "A"}, 1]},
        "e": {"Fn::Not": [{"Condition": "Has"}]},
        "f": {"Fn::Transform": {"Name": "X"}},
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plain", "plain"),
        (
            {"Fn::Sub": "${AWS::StackName}-input-${AWS::AccountId}-${AWS::Region}"},
            "photos-input-210987654321-eu-west-1",
        ),
    ],
)
def test_a_name_is_made_of_aws_s_own_parameters(name: object, text: str) -> None:
    assert named(name, PSEUDO) == text


@pytest.mark.parametrize(
    ("value", "needs"),
    [
        ("text", False),
        (7, False),
        ({"Ref": "AWS::StackName"}, False),
        ({"Ref": "ModelName"}, True),
        ([{"a": {"Fn::Sub": "arn:${AWS::Partition}:x"}}], False),
        ([{"a": {"Fn::Sub": "${ImagesQueue.Arn}/*"}}], True),
        ({"Fn::Sub": "${!literal}"}, False),
        ({"Fn::GetAtt": ["ImagesQueue", "Arn"]}, True),
        ({"Fn::If": ["Has", 1, 2]}, True),
    ],
)
def test_what_refers_to_another_resource_or_parameter_is_told(value: object, needs: bool) -> None:
    assert needs_others(value) is needs
