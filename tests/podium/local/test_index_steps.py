"""An older stack gets today's indexes, one change an update of CloudFormation."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws

from pipeline.results.index_keys import INDEXES
from podium.local.index_steps import GlobalIndex, additions, deployed_indexes, indexes_of, removals, with_indexes
from podium.project import ROOT
from tests.functions.template import table_schema

TEMPLATE = (ROOT / "template.yaml").read_text()
OLD = [
    GlobalIndex("by-label", (("label", "S"), ("probability", "N"))),
    GlobalIndex("by-batch", (("batch", "S"), ("classified_at", "S"))),
    GlobalIndex("to-review", (("review", "S"), ("classified_at", "S"))),
]


def names(template: str) -> list[str]:
    return [index.name for index in indexes_of(template)]


def without_tags(template: str) -> Any:  # noqa: ANN401
    class Loader(yaml.SafeLoader):
        pass

    def tagged(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> str:
        return f"{tag} {yaml.serialize(node)}"

    Loader.add_multi_constructor("!", tagged)
    return yaml.load(template, Loader=Loader)


def test_the_indexes_of_the_template_are_read() -> None:
    assert [(it.name, tuple(name for name, _ in it.key)) for it in indexes_of(TEMPLATE)] == [
        (index.name, (index.hash_key, index.range_key)) for index in INDEXES
    ]


def test_an_old_stack_has_its_indexes_added_one_an_update_and_then_the_old_ones_removed() -> None:
    steps = [*additions(TEMPLATE, OLD), *removals(TEMPLATE, [*OLD, *indexes_of(TEMPLATE)])]
    assert steps[-1] == TEMPLATE
    before = {index.name for index in OLD}
    changes = []
    for step in steps:
        now = set(names(step))
        changes.append(len(now ^ before))
        before = now
    assert changes == [1] * 6
    assert "by-batch-label" in names(steps[0]), "the finish function needs it first"


def test_a_stack_that_stopped_in_between_goes_on_there() -> None:
    half = [*OLD, indexes_of(TEMPLATE)[0]]
    assert len(additions(TEMPLATE, half)) == 2
    assert len(removals(TEMPLATE, [*indexes_of(TEMPLATE), OLD[2]])) == 1


def test_a_stack_that_is_up_to_date_has_no_step() -> None:
    assert additions(TEMPLATE, indexes_of(TEMPLATE)) == removals(TEMPLATE, indexes_of(TEMPLATE)) == []


def test_a_step_is_the_template_but_for_the_indexes() -> None:
    for step in additions(TEMPLATE, OLD):
        ours, theirs = without_tags(step), without_tags(TEMPLATE)
        for document in (ours, theirs):
            for part in ("AttributeDefinitions", "GlobalSecondaryIndexes"):
                del document["Resources"]["ResultsTable"]["Properties"][part]
        assert ours == theirs


def test_every_attribute_of_a_step_is_a_key_and_every_key_is_an_attribute() -> None:
    """DynamoDB refuses any other."""
    for step in [*additions(TEMPLATE, OLD), with_indexes(TEMPLATE, OLD)]:
        properties = without_tags(step)["Resources"]["ResultsTable"]["Properties"]
        keys = properties["KeySchema"] + [key for it in properties["GlobalSecondaryIndexes"] for key in it["KeySchema"]]
        defined = [it["AttributeName"] for it in properties["AttributeDefinitions"]]
        assert sorted(defined) == sorted({key["AttributeName"] for key in keys})


@pytest.mark.parametrize("keys", [None, OLD])
def test_the_indexes_of_a_table_that_is_there_are_read(
    aws_session: boto3.Session, keys: list[GlobalIndex] | None
) -> None:
    schema = table_schema("ResultsTable")
    if keys:
        schema = without_tags(with_indexes(TEMPLATE, keys))["Resources"]["ResultsTable"]["Properties"]
        schema = {name: schema[name] for name in ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")}
    with mock_aws():
        dynamodb = aws_session.client("dynamodb", region_name="us-east-1")
        dynamodb.create_table(TableName="rows", BillingMode="PAY_PER_REQUEST", **schema)
        assert deployed_indexes(dynamodb.describe_table(TableName="rows")["Table"]) == (keys or indexes_of(TEMPLATE))
