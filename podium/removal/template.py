"""template.yaml as data, in CloudFormation's long form: `!Ref X` is {"Ref": "X"}, `!Sub text` is {"Fn::Sub": text}."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

Json = Any
_VARIABLE = re.compile(r"\$\{([^!}][^}]*)\}")  # of Fn::Sub


class _LongForm(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, each as the function that it stands for."""


def _function(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> Json:
    match node:
        case yaml.ScalarNode():
            value: Json = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case _:
            value = loader.construct_mapping(node, deep=True) if isinstance(node, yaml.MappingNode) else None
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {tag if tag in {"Ref", "Condition"} else f"Fn::{tag}": value}


_LongForm.add_multi_constructor("!", _function)


def read_template(path: Path) -> Json:
    """The whole document."""
    return yaml.load(path.read_bytes(), Loader=_LongForm)  # noqa: S506 - a SafeLoader


def named(name: Json, pseudo: Mapping[str, str]) -> str:
    """The text of a name that is made of AWS's own parameters alone, such as `${AWS::StackName}-results`."""
    text = name["Fn::Sub"] if isinstance(name, dict) else str(name)
    return _VARIABLE.sub(lambda variable: pseudo[variable[1]], text)


def needs_others(value: Json) -> bool:
    """Whether the value refers to a resource, a parameter or a condition of the template; AWS's own parameters are none.

    A function other than Ref and Sub counts as if it did."""
    match value:
        case {"Ref": str(name)}:
            return not name.startswith("AWS::")
        case {"Fn::Sub": str(text)}:
            return any(not name.startswith("AWS::") for name in _VARIABLE.findall(text))
        case dict():
            return any(key.startswith("Fn::") or needs_others(part) for key, part in value.items())
        case list():
            return any(map(needs_others, value))
        case _:
            return False
