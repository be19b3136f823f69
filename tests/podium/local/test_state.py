"""The state with which the embedded AWS is started: whole, or mended from its copy."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from podium.local.state import find_damage, forget_stream_positions, keep_copy, mend, port_of_queues

CODE = b"the code of a function"
BLOB = f"lambda-blobs/{hashlib.sha256(CODE).hexdigest()}.zip"
DAMAGES = {"": "is empty", "{": "is cut off", "\0" * 100: "is cut off", "[]": "holds no state", "ÿ": "is cut off"}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state as an emulator leaves it, and no copy of it."""
    folder = tmp_path / "state"
    write(folder / BLOB, CODE)
    write(folder / "lambda.json", json.dumps({"payload": {"code_blob_ref": Path(BLOB).stem}}))
    write(folder / "dynamodb.json", json.dumps({"payload": {"rows": [1, 2, 3]}}))
    write(folder / "athena.json", json.dumps({"payload": {}}))
    return folder


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode("latin-1"))


def copies_of(state: Path) -> Path:
    copies = state.with_name("state-copy")
    keep_copy(state, copies)
    return copies


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("content", "why"), DAMAGES.items())
@pytest.mark.parametrize("name", ["lambda.json", "dynamodb.json", "athena.json"])
def test_a_damaged_file_is_named_and_its_copy_takes_its_place(state: Path, name: str, content: str, why: str) -> None:
    before, copies = contents(state), copies_of(state)
    write(state / name, content)
    [damage] = find_damage(state, copies)
    assert str(damage).startswith(f"{name} {why}")
    assert "there is a copy of 20" in str(damage)
    assert not damage.matters
    aside = state.with_name("damaged")
    mend(state, [damage], aside)
    assert contents(state) == before
    assert contents(aside) == {name: content.encode("latin-1")}
    assert not find_damage(state, copies)


@pytest.mark.parametrize("name", ["lambda.json", "dynamodb.json", BLOB])
def test_a_file_that_is_gone_comes_back_from_the_copy(state: Path, name: str) -> None:
    before, copies = contents(state), copies_of(state)
    (state / name).unlink()
    damages = find_damage(state, copies)
    assert [(damage.name, damage.why) for damage in damages] == [(name, "is gone")]
    mend(state, damages, state.with_name("damaged"))
    assert contents(state) == before


def test_code_that_is_not_the_code_it_was_is_damage(state: Path) -> None:
    copies = copies_of(state)
    write(state / BLOB, CODE[:-1])
    [damage] = find_damage(state, copies)
    assert damage.why == "is not the code that it was"
    mend(state, [damage], state.with_name("damaged"))
    assert (state / BLOB).read_bytes() == CODE


def test_the_old_code_of_a_function_that_was_deployed_again_is_not_missed(state: Path) -> None:
    copies = copies_of(state)
    (state / BLOB).unlink()
    write(state / "lambda.json", json.dumps({"payload": {"code_blob_ref": "f" * 64}}))
    assert not find_damage(state, copies)


@pytest.mark.parametrize(("name", "matters"), [("dynamodb.json", True), ("athena.json", False), (BLOB, True)])
def test_without_a_copy_it_matters_whether_the_stack_needs_the_file(state: Path, name: str, matters: bool) -> None:
    write(state / name, "")
    [damage] = find_damage(state, state.with_name("state-copy"))
    assert (damage.matters, damage.copy) == (matters, None)


def test_a_damaged_copy_takes_no_place(state: Path) -> None:
    copies = copies_of(state)
    write(state / "dynamodb.json", "")
    write(copies / "dynamodb.json", "{")
    [damage] = find_damage(state, copies)
    assert (damage.matters, damage.copy) == (True, None)


def test_the_copy_is_of_the_last_state_that_was_whole(state: Path) -> None:
    copies = copies_of(state)
    write(state / "dynamodb.json", json.dumps({"payload": {"rows": [4]}}))
    keep_copy(state, copies)
    newest = contents(copies)
    assert newest == contents(state)
    write(state / "dynamodb.json", "{")
    keep_copy(state, copies)
    assert contents(copies) == newest
    assert {path.name for path in state.parent.iterdir()} == {"state", "state-copy"}


def test_a_first_start_has_no_damage_and_makes_no_copy(tmp_path: Path) -> None:
    keep_copy(tmp_path / "state", tmp_path / "state-copy")
    assert not find_damage(tmp_path / "state", tmp_path / "state-copy")
    assert list(tmp_path.iterdir()) == []


def test_a_restart_reads_streams_from_their_beginning_and_changes_nothing_else(tmp_path: Path) -> None:
    state = tmp_path / "lambda.json"
    kept = {"functions": {"a": 1}, "esms": {"b": 2}}
    state.write_text(json.dumps({"__ministack_format__": 3, "payload": kept | {"dynamodb_stream_positions": {"c": 9}}}))
    forget_stream_positions(state)
    assert json.loads(state.read_text()) == {"__ministack_format__": 3, "payload": kept}
    assert list(tmp_path.iterdir()) == [state]


def test_a_first_start_has_no_state_to_change(tmp_path: Path) -> None:
    forget_stream_positions(tmp_path / "lambda.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "port"),
    [
        ('{"payload": {"queue_name_to_url": {"data": {"q": "https://127.0.0.1:7566/0/q"}}}}', 7566),
        ('{"payload": {"queue_name_to_url": {"data": {}}}}', None),
        ("{}", None), ("{", None), ("", None),
    ],
)  # fmt: skip
def test_the_port_of_the_queues_is_read_from_their_urls(state: Path, content: str, port: int | None) -> None:
    assert port_of_queues(state) is None
    write(state / "sqs.json", content)
    assert port_of_queues(state) == port
