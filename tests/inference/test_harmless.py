"""Text from outside: nothing of it steers a terminal, hides, or is a formula."""

from __future__ import annotations

import json
import sys
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


@pytest.mark.parametrize(
    "text",
    [
        "tennis ball", "йцук", "犬", "Zoë.jpg", "٠\u0600٧", "نان\u200cها", "نانِ\u200cها", "ه\u200d.jpg", "क\u094d\u200dष",
        "അവന\u0d4d\u200d", "র\u200d\u09cd\u09af", "👩\u200d🔬", "👩🏽\u200d⚕\ufe0f.jpg", "🏳\ufe0f\u200d🌈", "🙂\u200d↔\ufe0f",
        "❤\ufe0f", "1\ufe0f\u20e3", "ℹ\ufe0f", "葛\U000e0100", "ᠠ\u180b",
    ],
)  # fmt: skip
def test_letters_of_every_language_and_joined_emoji_stay(text: str) -> None:
    assert harmless(text) == text
    assert harmless_json(text) == text


@pytest.mark.parametrize("hidden", "\u200c\u200d\ufe0e\ufe0f\U000e0100\u180b")
@pytest.mark.parametrize("text", ["{}ball", "b{}all", "é{}", "中 {}.jpg", "é{0}{0}", "👩 {}"])
def test_a_joiner_or_a_selector_that_has_no_effect_is_seen(hidden: str, text: str) -> None:
    """`ball.jpg` and another `ball.jpg` looked alike."""
    name = text.format(hidden)
    assert hidden not in harmless(name)
    assert harmless_json(name) != name
    assert json.loads(f'"{harmless_json(name)}"') == name


def test_a_joiner_between_letters_that_do_not_join_is_seen() -> None:
    for name in ("中\u200d文", "ג\u200dב", "ก\u200cข", "k\u200c\u0628", "👩\u200c🔬", "नम\u200cक"):
        assert "\ufffd" in harmless(name), name


def test_no_character_that_nobody_sees_is_left_alone() -> None:
    """Unicode's category Cf, but for the signs that span digits, and what is to be drawn as nothing."""
    spanning = {chr(code) for code in (*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD)}
    every = [chr(code) for code in range(sys.maxunicode + 1)]
    unseen = {one for one in every if unicodedata.category(one) in {"Cc", "Cf", "Cs", "Zl", "Zp"}} - spanning
    unseen |= set(
        "\u034f\u115f\u1160\u17b4\u17b5\u180e\u2065\u2800\u3164\ufe00\ufe0f\uffa0\ufff0\ufff9\U000e0020\U000e01ef\U000e0fff"
    )
    assert {one for one in unseen if harmless(one) == one} == set()
    changed = {one for one in every if harmless(one) != one} - unseen
    assert {unicodedata.category(one) for one in changed} <= {"Mn", "Cn"}, "letters that are seen"
    assert len(changed) < 4200


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
