"""Whether a row is about a certain upload."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from pipeline.results.same_upload import same_upload


class Names(NamedTuple):
    """What is known of an upload, or of the one that a row belongs to."""

    version_id: str | None
    etag: str | None


@pytest.mark.parametrize(
    ("expected", "found", "same"),
    [
        (Names("v1", None), Names("v1", None), True),
        (Names("v1", "e1"), Names("v2", "e1"), False),
        (Names("v1", "e1"), Names(None, "e1"), True),
        (Names("v1", "e1"), Names(None, "e2"), False),
        (Names("v1", None), Names(None, "e1"), False),
        (Names(None, "e1"), Names("v9", "e1"), True),
        (Names(None, "e1"), Names("v9", "e2"), False),
        (Names(None, "e1"), Names(None, None), False),
        (Names(None, None), Names("v9", "e2"), True),
    ],
)
def test_the_version_or_else_the_etag_says_which_upload_a_row_is_about(
    expected: Names, found: Names, same: bool
) -> None:
    assert same_upload(expected, found) == same
