"""Text from outside, made harmless: names, labels and reasons in a terminal, on a page, in JSON, in a spreadsheet's cell.

Whoever names a file or a class may write escape sequences that steer a terminal, marks that turn the reading direction
(CVE-2021-42574), or a formula that a spreadsheet runs (https://owasp.org/www-community/attacks/CSV_Injection).
"""

from __future__ import annotations

import json
import re
from unicodedata import bidirectional, category, combining

_PICTURES_OF_CONTROLS = 0x2400  # U+241B is the picture of escape, U+001B
_DELETE, _PICTURE_OF_DELETE = 0x7F, 0x2421
_REPLACEMENT = 0xFFFD
# Not seen, or seen only by what they do to others, so that two names would look alike: all of Unicode's categories Cc, Cf,
# Cs (bytes that are no UTF-8, in a file's name), Zl and Zp, and beside them the letters, marks and unassigned code points
# that it wants to be drawn as nothing (Default_Ignorable_Code_Point), and the empty pattern of braille.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_UNSEEN_BESIDE = frozenset({
    0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x2065, 0x2800, 0x3164, *range(0xFE00, 0xFE10),
    0xFFA0, *range(0xFFF0, 0xFFF9), *range(0xE0000, 0xE1000),
})  # fmt: skip
# Of Cf, signs that are seen: they span the digits behind them.
_SEEN = frozenset({*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD})
# Letters of Persian and of India, and emoji, are spelled with joiners, and emoji and rare forms of Han with selectors of a
# variant. They stay where they have an effect, which the characters beside them tell.
_JOINERS = "\u200c\u200d"
_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef\u180b-\u180d\u180f"
_BESIDE_OTHERS = re.compile(f"(?s)(?<=(.))([{_JOINERS}{_SELECTORS}])(?=(.?))")
_NON_JOINER, _JOINER, _EMOJI_SELECTOR, _KEYCAP = "\u200c", "\u200d", "\ufe0f", "\u20e3"
_VIRAMA = 9  # the class of the sign that takes a letter's vowel away, in all scripts of India


class _Visible(dict[int, int]):
    """What is seen in the place of a character, found when there is the first of it."""

    def __missing__(self, code: int) -> int:
        if code < 0x20:
            shown = _PICTURES_OF_CONTROLS + code
        elif code == _DELETE:
            shown = _PICTURE_OF_DELETE
        else:
            hidden = (category(chr(code)) in _UNSEEN and code not in _SEEN) or code in _UNSEEN_BESIDE
            shown = _REPLACEMENT if hidden else code
        self[code] = shown
        return shown


_VISIBLE = _Visible()
_VISIBLE_BUT_LINES = _Visible({ord(kept): ord(kept) for kept in "\n\t"})
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?%?")


def harmless(text: str, *, lines: bool = False) -> str:
    """The text with a visible character for each one that steers or hides; of the same length.

    With `lines`, ends of lines and tabs stay: for text of several lines that is ours.
    """
    shown = text.translate(_VISIBLE_BUT_LINES if lines else _VISIBLE)
    if shown == text or text.isascii():
        return shown
    kept = [found.start() for found in _BESIDE_OTHERS.finditer(text) if _has_an_effect(found)]
    if not kept:
        return shown
    letters = list(shown)
    for place in kept:
        letters[place] = text[place]
    return "".join(letters)


def _has_an_effect(found: re.Match[str]) -> bool:
    """Whether a joiner or a selector changes how the characters beside it look."""
    before, one, after = found.groups()
    if one not in _JOINERS:
        return _has_variants(before) or (before in "#*0123456789" and after == _KEYCAP)
    if combining(before) == _VIRAMA or (after and combining(after) == _VIRAMA and category(before) == "Lo"):
        return True
    if one == _JOINER and _is_emoji(before) and _is_emoji(after):
        return True
    arabic = (_is_arabic(before), _is_arabic(after))
    return all(arabic) if one == _NON_JOINER else arabic[0] != arabic[1]


def _has_variants(letter: str) -> bool:
    return not letter.isascii() and category(letter)[0] in "LNPS" and letter.upper() == letter.lower()


def _is_emoji(letter: str) -> bool:
    return letter == _EMOJI_SELECTOR or (not letter.isascii() and category(letter)[0] == "S")


def _is_arabic(letter: str) -> bool:
    """Whether it is a letter of a script that joins like Arabic's, or a vowel sign on one (classes 27 to 36)."""
    return bool(letter) and (bidirectional(letter) == "AL" or 27 <= combining(letter) <= 36)


def harmless_cell(value: object) -> object:
    """A cell for a CSV file; a text that a spreadsheet would take for a formula gets an apostrophe in front."""
    return exact_cell(harmless(value)) if isinstance(value, str) else value


def exact_cell(value: object) -> object:
    """The same for a list that Podium reads back: `text_of_cell` gives exactly the text."""
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def text_of_cell(cell: str) -> str:
    """The text of which `exact_cell` made the cell."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def harmless_json(document: str) -> str:
    """A JSON document of the same value; what steers or hides is escaped, all other letters stay readable."""
    shown = harmless(document, lines=True)
    if shown == document:
        return document
    return "".join(one if one == seen else json.dumps(one)[1:-1] for one, seen in zip(document, shown, strict=True))
