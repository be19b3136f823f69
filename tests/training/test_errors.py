"""What a library raises, in a person's words."""

from __future__ import annotations

import csv
import errno
import json
import os
from pathlib import Path

import pytest
import yaml

from training.data.tables import WrongHeader
from training.errors import machine_sentence, why


def raised_by(text: str) -> Exception:
    try:
        yaml.safe_load(text)
    except yaml.YAMLError as error:
        return error
    raise AssertionError(text)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOENT, os.strerror(errno.ENOENT), "a.csv"), "no such file or directory"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "it is no text in UTF-8"),
        (json.JSONDecodeError("Expecting value", "", 0), "expecting value"),
        (raised_by("a: ["), "line 1: expected the node content, but found '<stream end>'"),
        (raised_by("a: b: c"), "line 1: mapping values are not allowed here"),
        (RecursionError("maximum recursion depth exceeded"), "its lists and objects lie too deep in each other"),
        (
            csv.Error("field larger"),
            "a cell has more than 131,072 characters. Look for a quotation mark that nothing closes",
        ),
        (WrongHeader("its header names the column 'a' twice"), "its header names the column 'a' twice"),
        (ValueError("embedded\n null byte"), "embedded null byte"),
    ],
)
def test_why_a_file_cannot_be_read_is_said_without_a_library_s_numbers(error: Exception, words: str) -> None:
    assert why(error) == words


def test_a_folder_for_a_file_and_the_reverse_are_sentences(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError) as folder:
        tmp_path.read_text()
    with pytest.raises(OSError) as there:
        (tmp_path / "file").mkdir()
    with pytest.raises(OSError) as below:
        (tmp_path / "file" / "below").mkdir()
    sentences = [machine_sentence(each.value) for each in (folder, there, below)]
    assert sentences == [
        f"{tmp_path}: this is a folder, and a file is needed. Name a file.",
        f"{tmp_path}/file: there is a file of this name already. Remove it, or name another place.",
        f"{tmp_path}/file/below: a part of the path is a file, and a folder is needed. Move that file away, or name another place.",
    ]
