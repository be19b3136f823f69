"""template.yaml, as far as the functions' tests need it."""

from __future__ import annotations

from functools import cache
from typing import Any

import yaml

from tests.functions.factories import ROOT


class _Template(yaml.SafeLoader):
    """CloudFormation's YAML; each of its !Functions is None."""


_Template.add_multi_constructor("!", lambda _loader, _tag, _node: None)


@cache
def resources() -> Any:  # noqa: ANN401 (YAML)
    """The resources by their logical names."""
    return yaml.load((ROOT / "template.yaml").read_text(encoding="utf-8"), Loader=_Template)["Resources"]


def table_schema(name: str) -> Any:  # noqa: ANN401 (boto3 types it as many literals)
    """Attributes, keys and indexes of a table, as boto3's create_table takes them."""
    table = resources()[name]["Properties"]
    wanted = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    return {part: table[part] for part in wanted if part in table}
