"""Whatever is done to an archive, reading it ends in a model that makes sense or in a sentence, in bounded memory."""

from __future__ import annotations

import json
import math
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference.archive.digest import content_sha256
from inference.archive.errors import ModelRefused
from inference.archive.golden_pictures import GOLDEN_FILE, read_golden
from inference.archive.packed import read_packed, unpacked_data
from inference.images.pixels import EvalTransform
from tests.inference.archive.mars import PLAIN, write_mar

MOST_MEMORY = 48 * 2**20  # bytes, for an archive of 3 KB

NASTY: st.SearchStrategy[Any] = st.sampled_from([
    None, True, False, 0, -1, 1, 3, 10**30, 1e308, -0.0, 5e-324, math.nan, math.inf, -math.inf, "", " ", "NaN", "0",
    "../x", "/etc/passwd", "hf-hub:a/b", "local-dir:/", "http://127.0.0.1:9/w.pth", "\0", "\u202e", "a" * 300, "\ud800",
    [], {}, [[]], [None], {"": None}, [0] * 4, ["a"] * 4, ["golf ball"] * 2, [3, 10**9, 10**9], [0, 0, 0], "2.0", "1.0.1",
    {"pretrained": True}, {"checkpoint_path": "/etc/passwd"}, {"file": "model.safetensors"}, "openvino",
])  # fmt: skip
VALUES = NASTY | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - JSON
    """The way to every value in a JSON document."""
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def replaced(document: Any, path: tuple[Any, ...], value: Any, *, drop: bool) -> Any:  # noqa: ANN401 - JSON
    changed = json.loads(json.dumps(document))
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    if drop:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return changed


def outcome(mar: Path) -> str:
    """`read`, or why it was refused; anything else is a fault of ours."""
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    try:
        model = read_packed(mar)
        assert 0 < model.temperature < math.inf
        assert len(set(model.classes)) == len(model.classes) > 0
        assert all(0 < std < math.inf for std in model.preprocessing["std"])
        with unpacked_data(mar) as folder:
            if (folder / GOLDEN_FILE).exists():
                for picture in read_golden(folder, EvalTransform.of(model.preprocessing), len(model.classes)):
                    assert list(picture.pixels.shape) == [*model.preprocessing["input_size"][1:], 3]
        content_sha256(mar)
    except ModelRefused as refused:
        sentence = str(refused)
        assert sentence.isprintable()
        assert sentence.endswith(".")
        assert len(sentence) < 600
        return sentence
    finally:
        assert tracemalloc.get_traced_memory()[1] - before < MOST_MEMORY
    return "read"


@pytest.fixture(scope="module", autouse=True)
def _traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


def test_the_archive_that_is_changed_here_is_whole(place: Path) -> None:
    assert outcome(write_mar(place / "a.mar")) == "read"


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_value_in_any_of_its_documents(place: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["model.json", "MAR-INF/MANIFEST.json", "golden.json"]))
    document = json.loads(PLAIN[name])
    path = data.draw(st.sampled_from(list(places(document))))
    changed = replaced(document, path, data.draw(VALUES), drop=data.draw(st.booleans()) and data.draw(st.booleans()))
    outcome(write_mar(place / "a.mar", PLAIN | {name: json.dumps(changed).encode()}))


@settings(max_examples=200)
@given(
    compression=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.none() | st.floats(0, 1),
)
def test_any_byte_of_it(place: Path, compression: int, changes: list[tuple[float, int]], cut: float | None) -> None:
    mar = write_mar(place / "a.mar", PLAIN, compression)
    whole = mar.read_bytes()
    changed = bytearray(whole)
    for where, value in changes:
        changed[int(where * len(changed))] = value
    mar.write_bytes(bytes(changed)[: None if cut is None else int(cut * len(changed))])
    if outcome(mar) == "read" and bytes(changed) != whole:
        with zipfile.ZipFile(mar) as opened:  # dates and rights say nothing of the model
            assert {name: opened.read(name) for name in opened.namelist()} == dict(PLAIN)


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(PLAIN)) | st.text(min_size=1, max_size=20), st.binary(max_size=50)), max_size=5
    )
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_any_further_or_other_entry(place: Path, entries: list[tuple[str, bytes]]) -> None:
    mar = place / "a.mar"
    try:
        write_mar(mar, [*PLAIN.items(), *entries])
    except UnicodeEncodeError:
        return
    outcome(mar)


@settings(max_examples=100)
@given(name=st.sampled_from(["model.json", "MAR-INF/MANIFEST.json", "golden.json"]), content=st.binary(max_size=60))
def test_any_bytes_in_place_of_a_document(place: Path, name: str, content: bytes) -> None:
    assert "." in outcome(write_mar(place / "a.mar", PLAIN | {name: content}))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000, "9" * 100_000, '"' + "\\u202e" * 100_000 + '"',
        '{"pictures": [' + "0," * 1_000_000 + "0]}", "1e999", "\ufeff{}", '{"a": 1, "a": 2}', '"\\ud800"',
    ],
    ids=lambda text: ascii(text[:12]),
)  # fmt: skip
@pytest.mark.parametrize("name", ["model.json", "golden.json", "MAR-INF/MANIFEST.json"])
def test_documents_that_tire_a_reader(place: Path, name: str, text: str) -> None:
    assert name in outcome(write_mar(place / "a.mar", PLAIN | {name: text.encode()}))
