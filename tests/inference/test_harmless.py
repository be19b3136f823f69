"""Text from outside: nothing of it steers a terminal, hides, or is a formula."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.harmless import exact_cell, harmless, harmless_cell, harmless_json, text_of_cell

ANY_TEXT = st.text(st.characters())  # lone surrogates, too
TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def is_harmless(text: str) -> bool:
    """No control, no lone surrogate, no mark that turns the reading direction, no end of a line."""
    bad = {"Cc", "Cs", "Zl", "Zp"}
    return not any(unicodedata.category(one) in bad or unicodedata.bidirectional(one) in TURNS for one in text)


@given(ANY_TEXT)
def test_no_text_steers_a_terminal(text: str) -> None:
    assert is_harmless(harmless(text))
    assert len(harmless(text)) == len(text)
    assert harmless(harmless(text)) == harmless(text)


@given(ANY_TEXT)
def test_only_ends_of_lines_and_tabs_are_left_to_text_of_our_own(text: str) -> None:
    assert is_harmless(harmless(text, lines=True).replace("\n", "").replace("\t", ""))


def test_what_stood_there_can_be_seen() -> None:
    assert harmless("\x1b[31mred\x07\n") == "␛[31mred␇␊"
    assert harmless("photo\u202egpj.exe") == "photo\ufffdgpj.exe"
    assert harmless("cat\U000e0041\u3164\u034f\u00ad") == "cat" + 4 * "\ufffd"


@pytest.mark.parametrize("text", ["tennis ball", "йцук", "犬", "نان\u200cها", "👩\u200d🔬", "Zoë.jpg"])
def test_letters_of_every_language_and_joined_emoji_stay(text: str) -> None:
    assert harmless(text) == text


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1"])
def test_a_spreadsheet_runs_no_name(text: str) -> None:
    assert str(harmless_cell(text))[0] in "'␉␍"
    assert exact_cell(text) == f"'{text}"


@pytest.mark.parametrize("cell", ["-0.5", "+1e-3", "12%", -0.5, 3, None, True, "", "a=b", "1-2"])
def test_a_number_stays_a_number(cell: object) -> None:
    assert harmless_cell(cell) == cell
    assert exact_cell(cell) == cell


@given(st.one_of(ANY_TEXT, st.from_regex(r"'*[=+\-@\t]?'?.*", fullmatch=True)))
def test_a_list_that_is_read_back_has_exactly_the_names(text: str) -> None:
    assert text_of_cell(str(exact_cell(text))) == text


@given(st.dictionaries(ANY_TEXT, ANY_TEXT))
def test_json_has_the_same_value_and_is_harmless(value: dict[str, str]) -> None:
    document = harmless_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(document) == value
    assert is_harmless(document)
