"""Objects that are gone from the disk of the embedded AWS are missed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from podium.local.front.objects import write_objects
from podium.local.objects import ENCODED, forget_gone, gone_objects

KEYS = ["incoming/a/1.jpg", "incoming/a/2.jpg", "incoming/a/../3.jpg"]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two buckets with objects, one of them under an encoded name, and the list that the embedded AWS wrote of them."""
    for bucket in ("input", "results"):
        for key in KEYS[:2]:
            path = tmp_path / bucket / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        encoded = tmp_path / bucket / ENCODED / "name"
        encoded.parent.mkdir()
        encoded.write_bytes(b"x")
        encoded.with_name("name.meta.json").write_text(json.dumps({"key": KEYS[2]}))
    buckets = {("0", name): {"objects": dict.fromkeys(KEYS)} for name in ("input", "results")}
    buckets["1", "other account"] = {"objects": {"x": None}}
    s3 = SimpleNamespace(_buckets=SimpleNamespace(_data=buckets))
    monkeypatch.setitem(sys.modules, "ministack.services.s3", s3)  # as MiniStack 1.5.33 keeps them
    write_objects(tmp_path, "0")
    return tmp_path


def test_nothing_is_missed_while_everything_is_there(state: Path) -> None:
    assert gone_objects(state, state) == []


@pytest.mark.parametrize(
    ("lost", "sentences"),
    [
        (["input"], [f"3 of 3 in input (such as '{KEYS[2]}')"]),
        (["input/incoming/a/2.jpg"], ["1 of 3 in input (such as 'incoming/a/2.jpg')"]),
        ([f"results/{ENCODED}/name"], [f"1 of 3 in results (such as '{KEYS[2]}')"]),
        (["input/incoming", f"results/{ENCODED}"], ["2 of 3 in input (such as 'incoming/a/1.jpg')", f"1 of 3 in results (such as '{KEYS[2]}')"]),
    ],
)  # fmt: skip
def test_what_is_gone_is_counted_by_bucket_and_missed_no_more_when_it_is_forgotten(
    state: Path, lost: list[str], sentences: list[str]
) -> None:
    for name in lost:
        (state / name).rename(state / f"away{lost.index(name)}")
    gone = gone_objects(state, state)
    assert [str(one) for one in gone] == sentences
    forget_gone(state, gone)
    assert gone_objects(state, state) == []


def test_a_deleted_object_whose_bytes_its_marker_keeps_is_not_missed(state: Path) -> None:
    (state / "input" / "incoming/a/1.jpg.meta.json").write_text('{"is_delete_marker": true}')
    assert gone_objects(state, state) == []


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"input": 3}'])
def test_without_a_list_nothing_is_missed(state: Path, content: str | None) -> None:
    (state / "objects.json").unlink()
    if content is not None:
        (state / "objects.json").write_text(content)
    (state / "input").rename(state / "away")
    assert gone_objects(state, state) == []


def test_no_list_is_written_while_the_embedded_aws_has_not_read_its_buckets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "ministack.services.s3", raising=False)
    write_objects(tmp_path, "0")
    assert not list(tmp_path.iterdir())
