"""A template as CloudFormation gets it: the short forms written out, and SAM's resources translated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]
SAM = "AWS::Serverless-"


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms: `!Ref X` becomes {"Ref": "X"}, `!GetAtt X.Arn` {"Fn::GetAtt": ["X", "Arn"]}."""


def _written_out(loader: _Loader, tag: str, node: yaml.Node) -> Json:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]  # no other node is left
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {tag if tag in {"Ref", "Condition"} else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _written_out)


def read_template(path: Path, region: str) -> Json:
    """The template in `path`, without SAM: what CloudFormation itself would be given in that Region. Nothing is uploaded."""
    document: Json = yaml.load(path.read_bytes(), Loader=_Loader)  # noqa: S506 - a SafeLoader
    if not str(document.get("Transform", "")).startswith(SAM):
        return document
    return _translated(document, path.parent, region)


def read_deployed(body: str | Mapping[str, Any]) -> Json:
    """A template as CloudFormation hands it back: JSON or YAML text, or what boto3 made of JSON."""
    return dict(body) if isinstance(body, Mapping) else yaml.load(body, Loader=_Loader)  # noqa: S506 - a SafeLoader


def _translated(document: Json, folder: Path, region: str) -> Json:
    from boto3 import Session
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    for resource in document["Resources"].values():
        properties = resource.get("Properties", {})
        for name in ("CodeUri", "ContentUri"):  # `sam deploy` puts the archive's address here
            if name in properties:
                properties[name] = "s3://bucket/key"
        if resource["Type"] == "AWS::Serverless::StateMachine" and "DefinitionUri" in properties:
            definition = folder / properties.pop("DefinitionUri")
            properties["Definition"] = json.loads(definition.read_text(encoding="utf-8"))
    translator = Translator(None, Parser(), boto_session=Session(region_name=region))
    done: Json = translator.translate(document, parameter_values={}, get_managed_policy_map=dict)
    translator.metrics.publish()  # to nobody; else the library warns about its own counts at the end
    return done
