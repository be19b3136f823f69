"""A file appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.files import replacing, write_atomically


def test_the_file_before_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_atomically("first", path)
    with replacing(path) as draft:
        draft.write_text("second")
        assert path.read_text() == "first"
    assert [it.name for it in tmp_path.iterdir()] == ["report.json"]
    assert path.read_text() == "second"


def test_a_block_that_raises_leaves_the_file_before_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_atomically("first", path)
    with pytest.raises(UnicodeEncodeError):
        write_atomically("half, then what no UTF-8 can encode: \ud800", path)
    assert [it.name for it in tmp_path.iterdir()] == ["report.json"]
    assert path.read_text() == "first"


@pytest.mark.parametrize("name", ["ü" * 127, "a" * 255])
def test_the_longest_names_that_a_file_may_have_have_room_for_a_draft(tmp_path: Path, name: str) -> None:
    with replacing(tmp_path / name, synced=False, shared=True) as draft:
        draft.write_text("whole")
    assert (tmp_path / name).read_text() == "whole"
