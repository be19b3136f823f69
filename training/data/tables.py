"""Tables as people save them: with commas, or with the semicolons or tabs of a spreadsheet."""

from __future__ import annotations

import csv
from typing import TextIO


def read_table(file: TextIO) -> csv.DictReader[str]:
    """A reader of the lines under the header, whose names lose the spaces around them; the file stands at its beginning.

    Fields end at commas; where the header has none, at semicolons or else at tabs.
    """
    header = file.readline()
    file.seek(0)
    reader = csv.DictReader(file, delimiter=next((mark for mark in ",;\t" if mark in header), ","))
    reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
    return reader
