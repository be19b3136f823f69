"""Every CloudFormation template of the repository, as it is written and as CloudFormation gets it."""

from __future__ import annotations

import ast
import copy
import json
import re
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from samtranslator.public.translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # cfn-lint's own imports warn
    from cfnlint.decode import decode

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
REGION = "us-east-1"
FORMAT = "AWSTemplateFormatVersion"
TEMPLATE = re.compile(rf"^({FORMAT}|Resources):", re.MULTILINE)


def templates() -> list[Path]:
    """Found, not listed: a new one passes the same gates."""
    folders = [path for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")]
    found = [*ROOT.glob("*.yaml"), *(it for folder in folders for it in folder.rglob("*.yaml"))]
    return sorted(path for path in found if TEMPLATE.search(path.read_text(encoding="utf-8")))


def name_of(path: Path) -> str:
    """Of a template, in one word."""
    return path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "-")


@cache
def decoded(path: Path) -> Json:
    """As it is written, with YAML's short functions as JSON's long ones."""
    template, problems = decode(str(path))
    assert not problems, problems
    plain: Json = ast.literal_eval(repr(dict(template)))  # without cfn-lint's node classes
    return plain


@cache
def translated(path: Path) -> Json:
    """Without SAM's resources: what `sam deploy` has CloudFormation make."""
    template = copy.deepcopy(decoded(path))
    if "Transform" not in template:
        return template
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::Serverless::Function":
                properties["CodeUri"] = "s3://bucket/key"  # as `sam deploy` puts it
            case "AWS::Serverless::LayerVersion":
                properties["ContentUri"] = "s3://bucket/key"
            case "AWS::Serverless::StateMachine":
                definition = path.parent / properties.pop("DefinitionUri")
                properties["Definition"] = json.loads(definition.read_text(encoding="utf-8"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DEFAULT_REGION", REGION)  # the translator asks for the partition
        iam = boto3.client("iam", region_name=REGION)  # never called: no managed policy is named
        done: Json = transform(template, {}, ManagedPolicyLoader(iam))
    return done
