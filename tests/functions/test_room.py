"""What must hold for functions/ as a whole: it is the zip."""

from __future__ import annotations

import ast
import collections.abc
import importlib.metadata
import json
import re
import subprocess
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipeline.contracts import Classification
from pipeline.results.index_keys import SHARDS
from pipeline.results.rows import row_of
from pipeline.results.store import Store
from pipeline.schemas import PUBLISHED, schema_of
from tests.functions.conftest import INPUT, RESULTS, TABLE, Aws
from tests.functions.factories import ROOT, classification, image_ref, server_answer

FUNCTIONS = ROOT / "functions"
LIMIT_BYTES = 30_000_000


def locked_names() -> list[str]:
    return re.findall(r"^([\w.-]+)==", (FUNCTIONS / "requirements.txt").read_text(), re.MULTILINE)


def installed_bytes(name: str) -> int:
    files = importlib.metadata.distribution(name).files or []
    return sum(Path(str(file.locate())).stat().st_size for file in files if Path(str(file.locate())).exists())


def test_the_zip_stays_below_thirty_megabytes_unzipped() -> None:
    """AWS's limit is 250 MB; what is small starts fast."""
    own = sum(path.stat().st_size for path in FUNCTIONS.rglob("*.py"))
    libraries = {name: installed_bytes(name) for name in locked_names()}
    assert min(libraries.values()) > 0, "every locked library is installed here, or nothing was measured"
    assert own + sum(libraries.values()) < LIMIT_BYTES


def in_a_fresh_process(code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=FUNCTIONS, capture_output=True, text=True, check=True, env={"PATH": ""}
    )
    printed: list[str] = json.loads(done.stdout)
    return printed


TOWERS = {"classify", "gate", "finish", "backfill", "reconcile", "rollback"}
ASKING_THE_MODEL = {"classify", "gate"}
IN_MANY_TOWERS = {"Clients", "Response"}  # what a Lambda opens, and what it returns


def test_the_name_of_a_class_means_one_thing() -> None:
    rooms_of: defaultdict[str, list[str]] = defaultdict(list)
    for path in (FUNCTIONS / "pipeline").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                rooms_of[node.name].append(path.relative_to(FUNCTIONS / "pipeline").parts[0])
    repeated = {name: rooms for name, rooms in rooms_of.items() if len(rooms) > 1}
    assert repeated.keys() == IN_MANY_TOWERS
    assert set().union(*repeated.values()) <= TOWERS
    assert rooms_of.keys().isdisjoint(collections.abc.__all__)
    assert "Run" not in rooms_of, "a run is a training's folder"


@pytest.mark.parametrize("tower", sorted(TOWERS))
def test_a_tower_loads_no_other_tower_and_the_model_client_only_if_it_asks_the_model(tower: str) -> None:
    modules = in_a_fresh_process(f"import json, sys, pipeline.{tower}.handler; print(json.dumps(sorted(sys.modules)))")
    rooms = {module.split(".")[1] for module in modules if module.startswith("pipeline.")}
    assert rooms & TOWERS == {tower}
    assert ("model_server" in rooms) == (tower in ASKING_THE_MODEL)
    heavy = {"torch", "torchvision", "timm", "numpy", "PIL", "ts", "inference"}
    assert heavy & {module.partition(".")[0] for module in modules} == set()


@pytest.mark.parametrize("tower", sorted(TOWERS))
def test_importing_a_lambda_opens_nothing_and_needs_no_settings(tower: str) -> None:
    opened = in_a_fresh_process(
        "import json, sys; seen = []; sys.addaudithook(lambda event, _: seen.append(event));"
        f"import pipeline.{tower}.handler; print(json.dumps([it for it in seen if it.startswith('socket.connect')]))"
    )
    assert opened == []


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_schemas_are_up_to_date(name: str) -> None:
    """Otherwise: PYTHONPATH=functions python -m pipeline.schemas docs/schema"""
    assert (ROOT / "docs" / "schema" / f"{name}.json").read_text(encoding="utf-8") == schema_of(PUBLISHED[name])


def test_no_schema_is_published_that_no_record_has() -> None:
    assert {path.stem for path in (ROOT / "docs" / "schema").glob("*.json")} == set(PUBLISHED)


def test_a_path_that_the_page_names_leads_to_one_file() -> None:
    """`model_server/client.py` alone would send the reader to the model server's own folder."""
    named = re.findall(r"`([\w/]+/\w+\.py)`", (ROOT / "docs" / "pipeline.md").read_text(encoding="utf-8"))
    assert len(named) > 10
    for path in map(Path, named):
        folders = [it for it in (ROOT, FUNCTIONS, FUNCTIONS / "pipeline") if (it / path.parts[0]).is_dir()]
        assert len(folders) == 1, path
        assert (folders[0] / path).is_file(), path


def documented_queries() -> list[list[list[str]]]:
    """Each as bash makes it of its loop: a query for every shard."""
    text = (ROOT / "docs" / "pipeline.md").read_text(encoding="utf-8")
    loops = re.findall(r"^for shard in \{00\.\.15\}; do\n.*?^done$", text, re.MULTILINE | re.DOTALL)
    return [_queries_of(loop) for loop in loops]


def _queries_of(loop: str) -> list[list[str]]:
    printed = 'aws() { printf "%s\\0" aws "$@"; printf "\\n\\0"; }\n'
    done = subprocess.run(["bash", "-c", printed + loop], capture_output=True, text=True, check=True)
    return [query.split("\0")[:-1] for query in done.stdout.split("\n\0")[:-1]]


def ask(aws: Aws, words: list[str]) -> list[str]:
    """The images that `aws dynamodb query ...` names; its options are boto3's arguments in other letters."""
    query: dict[str, Any] = {"TableName": TABLE}
    for option, value in pairwise([*words[3:], "--"]):
        if option.startswith("--") and option not in {"--table-name", "--output"}:
            name = "".join(part.capitalize() for part in option.removeprefix("--").split("-"))
            query[name] = json.loads(value) if value.startswith("{") else value
    if "NoScanIndexForward" in query:
        query.pop("NoScanIndexForward")
        query["ScanIndexForward"] = False
    return [item["image"]["S"].rpartition("/")[2] for item in aws.dynamodb.query(**query)["Items"]]


def test_the_three_documented_queries_answer(aws: Aws) -> None:
    store = Store(aws.s3, aws.dynamodb, RESULTS, TABLE, INPUT)
    for name, probability, uncertain in (
        ("a.jpg", 0.7, None),
        ("b.jpg", 0.99, None),
        ("c.jpg", 0.4, "0.4 is below 0.53"),
    ):
        best = {"label": "golf ball", "probability": probability}
        result: Classification = classification(
            image_ref(key=f"incoming/monday/{name}"), server_answer(predictions=[best], uncertain=uncertain)
        )
        store.put_row(row_of(result, result.image.result_key(INPUT), None))
    by_label, by_batch, to_review = documented_queries()
    assert len(by_label) == len(by_batch) == len(to_review) == SHARDS
    assert sorted(name for shard in by_label for name in ask(aws, shard)) == ["a.jpg", "b.jpg"]
    assert sorted(name for shard in by_batch for name in ask(aws, shard)) == ["a.jpg", "b.jpg", "c.jpg"]
    assert [name for shard in to_review for name in ask(aws, shard)] == ["c.jpg"]
