"""The resources of a template in each of its shapes: conditions decided, functions computed, policies with real ARNs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.gates.templates import REGION, Json, translated

ACCOUNT = "123456789012"
GIVEN = "given"


def shapes(path: Path) -> Iterator[tuple[str, Json]]:
    """The resources that are made with every parameter's default, and with every optional one given and the last of each choice.

    Conditions are decided and functions are computed, so that a policy names its resources as ARNs.
    """
    template = translated(path)
    for shape, optional in (("least", ""), ("most", GIVEN)):
        parameters = template.get("Parameters", {}).items()
        values = {name: _value(parameter, optional) for name, parameter in parameters}
        yield shape, Shape(template, values).resources()


def _value(parameter: Mapping[str, Any], optional: str) -> str | list[str]:
    default = str(parameter.get("Default", GIVEN))
    value = str(parameter.get("AllowedValues", [default])[-1]) if optional else default
    value = value or optional
    arn = re.search(r"arn:.+", parameter.get("AllowedPattern", ""))
    if arn and value == GIVEN:
        parts = {"[^:]+:": "{}:", "[0-9]{12}": ACCOUNT, ".+": GIVEN}
        for pattern, part in parts.items():
            value = (arn[0] if value == GIVEN else value).replace(pattern, part)
        value = value.format("aws", REGION)
    return value.split(",") if re.match(r"List<|CommaDelimited", parameter["Type"]) else value


class Shape:
    """A template with the values of its parameters."""

    def __init__(self, template: Json, values: Mapping[str, str | list[str]]) -> None:
        self._template = template
        pseudo = {
            "Partition": "aws",
            "Region": REGION,
            "AccountId": ACCOUNT,
            "StackName": "podium",
            "URLSuffix": "amazonaws.com",
        }
        self._values = {**{f"AWS::{name}": value for name, value in pseudo.items()}, **values}

    def resources(self) -> Json:
        """Those that are made, computed."""
        made = {
            name: resource for name, resource in self._template["Resources"].items()
            if "Condition" not in resource or self._holds(resource["Condition"])
        }  # fmt: skip
        return {name: self._computed(resource) for name, resource in made.items()}

    def _holds(self, condition: str | Json) -> bool:
        if isinstance(condition, str):
            return self._holds(self._template["Conditions"][condition])
        [(function, given)] = condition.items()
        match function:
            case "Condition":
                return self._holds(given)
            case "Fn::Not":
                return not self._holds(given[0])
            case "Fn::And":
                return all(map(self._holds, given))
            case "Fn::Or":
                return any(map(self._holds, given))
            case "Fn::Equals":
                one, other = map(self._computed, given)
                return str(one) == str(other)
        raise NotImplementedError(function)

    def _computed(self, part: Any) -> Any:  # noqa: ANN401 (JSON)
        if isinstance(part, list):
            items = [self._computed(item) for item in part]
            return [item for item in items if item is not None]
        if not isinstance(part, dict):
            return part
        if len(part) == 1:
            [(function, given)] = part.items()
            if function == "Ref" or function.startswith("Fn::"):
                return self._called(function, given)
        computed = {key: self._computed(value) for key, value in part.items()}
        return {key: value for key, value in computed.items() if value is not None}

    def _called(self, function: str, given: Any) -> Any:  # noqa: ANN401 (JSON)
        computed: Any = {function: given}  # Fn::Base64, Fn::Select, Fn::GetAZs, ...: no part of a policy
        match function:
            case "Ref":
                computed = None if given == "AWS::NoValue" else self._values.get(given) or self._reference(given)
            case "Fn::GetAtt":
                computed = self._attribute(*(given if isinstance(given, list) else given.split(".", 1)))
            case "Fn::Sub":
                text, own = (given, {}) if isinstance(given, str) else (given[0], self._computed(given[1]))
                computed = re.sub(r"\$\{([^}!]+)\}", lambda found: str(self._substituted(found[1], own)), text)
            case "Fn::If":
                computed = self._computed(given[1] if self._holds(given[0]) else given[2])
            case "Fn::Join":
                computed = given[0].join(map(str, self._computed(given[1])))
            case "Fn::FindInMap":
                first, key, second = map(self._computed, given)
                computed = self._template["Mappings"][first][key][second]
        return computed

    def _substituted(self, name: str, own: Mapping[str, str]) -> Any:  # noqa: ANN401 (JSON)
        if name in own:
            return own[name]
        return self._called("Fn::GetAtt", name) if "." in name else self._called("Ref", name)

    def _reference(self, name: str) -> str:
        if name not in self._template["Resources"]:
            return ""  # a parameter that is left empty
        arn = self._template["Resources"][name]["Type"] in {"AWS::SNS::Topic", "AWS::StepFunctions::StateMachine"}
        return self._attribute(name, "Arn") if arn else name.lower()

    def _attribute(self, name: str, attribute: str) -> str:
        form = ARNS.get(self._template["Resources"][name]["Type"])
        if not attribute.endswith("Arn") or form is None:
            return name.lower()
        suffix = "/stream/label" if attribute == "StreamArn" else ""
        return form.format(name=name.lower(), region=REGION, account=ACCOUNT) + suffix


ARNS = {
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::SQS::Queue": "arn:aws:sqs:{region}:{account}:{name}",
    "AWS::SNS::Topic": "arn:aws:sns:{region}:{account}:{name}",
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:{region}:{account}:table/{name}",
    "AWS::Lambda::Function": "arn:aws:lambda:{region}:{account}:function:{name}",
    "AWS::StepFunctions::StateMachine": "arn:aws:states:{region}:{account}:stateMachine:{name}",
    "AWS::Logs::LogGroup": "arn:aws:logs:{region}:{account}:log-group:{name}:*",
    "AWS::IAM::Role": "arn:aws:iam::{account}:role/{name}",
    "AWS::ECS::Cluster": "arn:aws:ecs:{region}:{account}:cluster/{name}",
    "AWS::ECS::TaskDefinition": "arn:aws:ecs:{region}:{account}:task-definition/{name}:1",
    "AWS::ECR::Repository": "arn:aws:ecr:{region}:{account}:repository/{name}",
    "AWS::Batch::JobQueue": "arn:aws:batch:{region}:{account}:job-queue/{name}",
    "AWS::Batch::JobDefinition": "arn:aws:batch:{region}:{account}:job-definition/{name}:1",
}
