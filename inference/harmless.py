"""Text from outside, made harmless: names, labels and reasons in a terminal, on a page, in JSON, in a spreadsheet's cell.

Whoever names a file or a class may write escape sequences that steer a terminal, marks that turn the reading direction
(CVE-2021-42574), or a formula that a spreadsheet runs (https://owasp.org/www-community/attacks/CSV_Injection).
"""

from __future__ import annotations

import json
import re

_PICTURES_OF_CONTROLS = 0x2400  # U+241B is the picture of escape, U+001B
_DELETE, _PICTURE_OF_DELETE = 0x7F, 0x2421
_REPLACEMENT = 0xFFFD
_HIDDEN = (
    *range(0x80, 0xA0),  # the second set of controls: U+009B begins an escape sequence
    *(0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)),  # the reading direction
    *(0x2028, 0x2029),  # ends of lines
    *(
        0xAD,
        0x34F,
        0x115F,
        0x1160,
        0x180E,
        0x200B,
        0x2060,
        0x3164,
        0xFEFF,
        0xFFA0,
    ),  # not seen: two names would look alike
    *range(0xE0000, 0xE0080),  # letters that are not seen
    *range(0xD800, 0xE000),  # bytes that are no UTF-8, in a file's name
)
_VISIBLE = (
    {code: _PICTURES_OF_CONTROLS + code for code in range(0x20)}
    | {_DELETE: _PICTURE_OF_DELETE}
    | dict.fromkeys(_HIDDEN, _REPLACEMENT)
)
_VISIBLE_BUT_LINES = {code: shown for code, shown in _VISIBLE.items() if chr(code) not in "\n\t"}
_LEFT_BY_JSON = re.compile(f"[{''.join(map(chr, (_DELETE, *_HIDDEN)))}]")
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?%?")


def harmless(text: str, *, lines: bool = False) -> str:
    """The text with a visible character for each one that steers or hides; of the same length.

    With `lines`, ends of lines and tabs stay: for text of several lines that is ours.
    """
    return text.translate(_VISIBLE_BUT_LINES if lines else _VISIBLE)


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
    return _LEFT_BY_JSON.sub(lambda found: json.dumps(found[0])[1:-1], document)
